"""/bulk-deletes: delete all products, and watch the progress."""

from __future__ import annotations

import uuid

from chalice.app import Response

from chalicelib.catalogue import bulk_deletes
from chalicelib.limits import POLL_SECONDS
from functions.api.bulk_delete_models import BulkDelete, NewBulkDelete
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


@resource.endpoint(
    "POST",
    "/bulk-deletes",
    scope="admin",
    body=NewBulkDelete,
    answer=BulkDelete,
    status=202,
    sends=("Location", "Retry-After"),
    idempotent=True,
)
def create_bulk_delete() -> Response:
    """Deletes all products. They disappear immediately; their rows are removed in the background."""
    resource.body(NewBulkDelete)
    return _answer(bulk_deletes.accept(backends()), status=202)


@resource.endpoint("GET", "/bulk-deletes", scope="read", query=WindowQuery, answer=Page[BulkDelete])
def list_bulk_deletes() -> Response:
    """Lists bulk deletes, newest first."""
    window = read_window(resource)
    with backends().database.transaction() as transaction:
        total = bulk_deletes.count(transaction)
        found = bulk_deletes.page(
            transaction,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
    items = [BulkDelete.of(each) for each in found]
    return page_response("/bulk-deletes", window, [each.id for each in found], items, Total(total))


@resource.endpoint("GET", "/bulk-deletes/{bulk_delete_id}", scope="read", answer=BulkDelete, sends=("Retry-After",))
def read_bulk_delete(bulk_delete_id: str) -> Response:
    """Returns the progress of a bulk delete."""
    with backends().database.transaction() as transaction:
        bulk_delete = bulk_deletes.get(transaction, uuid_of(bulk_delete_id, "bulk delete"))
    return _answer(bulk_delete)


def _answer(bulk_delete: bulk_deletes.BulkDelete, *, status: int = 200) -> Response:
    headers = {"Location": f"{PREFIX}/bulk-deletes/{bulk_delete.id}"} if status == 202 else {}
    if bulk_delete.is_running:
        headers["Retry-After"] = str(POLL_SECONDS)
    return resource_response(BulkDelete.of(bulk_delete), resource.request, status=status, headers=headers)
