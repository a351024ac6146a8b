"""/exports: request a CSV of the catalogue, watch its progress, download it."""

from __future__ import annotations

import uuid

from chalice.app import Response

from chalicelib.catalogue.listing import Filters
from chalicelib.exporting import exports
from chalicelib.limits import POLL_SECONDS
from functions.api.export_models import Export, ListedExport, NewExport
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


@resource.endpoint(
    "POST",
    "/exports",
    scope="read",
    body=NewExport,
    answer=Export,
    status=202,
    sends=("Location", "Retry-After"),
    idempotent=True,
)
def create_export() -> Response:
    """Starts an export of the products that match.

    Needs `read`: a token that may read the list of products may read all of it.
    """
    filters = Filters(**resource.body(NewExport).model_dump())
    accepted = exports.accept(backends(), filters, resource.token_id)
    return _answer(accepted, status=202, headers={"Location": f"{PREFIX}/exports/{accepted.id}"})


@resource.endpoint("GET", "/exports", scope="read", query=WindowQuery, answer=Page[ListedExport])
def list_exports() -> Response:
    """Lists exports, newest first."""
    window = read_window(resource)
    with backends().database.transaction() as transaction:
        total = exports.count(transaction)
        found = exports.page(
            transaction,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
    items = [ListedExport.listed(each) for each in found]
    return page_response("/exports", window, [each.id for each in found], items, Total(total))


@resource.endpoint("GET", "/exports/{export_id}", scope="read", answer=Export, sends=("Retry-After",))
def read_export(export_id: str) -> Response:
    """Returns the progress of an export and, when it is completed, a link to its file."""
    with backends().database.transaction() as transaction:
        export = exports.get(transaction, uuid_of(export_id, "export"))
    return _answer(export, status=200, headers={})


def _answer(export: exports.Export, *, status: int, headers: dict[str, str]) -> Response:
    content = Export.of(export, exports.download(backends(), export))
    if export.is_running:
        headers["Retry-After"] = str(POLL_SECONDS)
    return resource_response(content, resource.request, status=status, headers=headers)
