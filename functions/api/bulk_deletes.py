"""/bulk-deletes: delete every product, and watch the rows go."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from chalice.app import Response
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.catalogue import bulk_deletes
from chalicelib.importing.progress import percent_of
from chalicelib.limits import POLL_SECONDS
from functions.api.ids import uuid_of
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


class NewBulkDelete(BaseModel):
    """The wish to delete everything, in words that nobody sends by accident."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"confirm": "DELETE ALL"}]})

    confirm: Literal["DELETE ALL"]


class Failure(BaseModel):
    """Why a bulk delete ended early."""

    code: str
    message: str


class BulkDelete(BaseModel):
    """A bulk delete, as it is answered."""

    id: str
    status: Literal["pending", "processing", "completed", "failed"]
    total: int = Field(description="Products there were when it was accepted; from then on nobody sees them")
    deleted: int = Field(description="Of these, how many are gone from the disk; one that comes back first is not")
    percent: float = Field(description="100 exactly when completed")
    error: Failure | None
    created_at: datetime
    finished_at: datetime | None


@resource.endpoint(
    "POST",
    "/bulk-deletes",
    scope="write",
    body=NewBulkDelete,
    answer=BulkDelete,
    status=202,
    sends=("Location", "Retry-After"),
    idempotent=True,
)
def create_bulk_delete() -> Response:
    """Deletes every product: at once as far as anybody can see, their rows step by step."""
    resource.body(NewBulkDelete)
    return _answer(bulk_deletes.accept(backends()), status=202)


@resource.endpoint("GET", "/bulk-deletes/{bulk_delete_id}", scope="read", answer=BulkDelete, sends=("Retry-After",))
def read_bulk_delete(bulk_delete_id: str) -> Response:
    """How far a bulk delete is."""
    with backends().database.transaction() as transaction:
        found = bulk_deletes.get(transaction, uuid_of(bulk_delete_id, "bulk delete"))
    return _answer(found)


def _answer(found: DictRow, *, status: int = 200) -> Response:
    headers = {"Location": f"{PREFIX}/bulk-deletes/{found['id']}"} if status == 202 else {}
    if found["status"] in bulk_deletes.RUNNING:
        headers["Retry-After"] = str(POLL_SECONDS)
    return resource_response(_shown(found), resource.request, status=status, headers=headers)


def _shown(found: DictRow) -> BulkDelete:
    failed = found["error_code"] is not None
    return BulkDelete(
        id=str(found["id"]),
        status=found["status"],
        total=found["total"],
        deleted=found["deleted"],
        percent=percent_of(found["status"], found["deleted"], found["total"]),
        error=Failure(code=found["error_code"], message=found["error_message"]) if failed else None,
        created_at=found["created_at"],
        finished_at=found["finished_at"],
    )
