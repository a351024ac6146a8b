"""/exports: ask for a CSV of the catalogue, watch it being written, download it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from chalice.app import Response
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.catalogue.listing import Filters
from chalicelib.exporting import exports
from chalicelib.limits import FILTER_CHARACTERS_MAX, POLL_SECONDS
from functions.api.ids import uuid_of
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)

# NUL is the one character that PostgreSQL has no place for.
Contained = Annotated[str, Field(max_length=FILTER_CHARACTERS_MAX, pattern=r"^[^\x00]*$")]


class NewExport(BaseModel):
    """Which products are wanted: those that match everything given. Texts are contained, in any case, literally."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"name": "drill", "active": True}]}
    )

    sku: Contained | None = None
    name: Contained | None = None
    description: Contained | None = None
    active: bool | None = None
    q: Annotated[Contained | None, Field(description="In the SKU, the name or the description")] = None


class ExportError(BaseModel):
    """Why an export failed."""

    code: str
    message: str


class Download(BaseModel):
    """A link that anybody can open until it expires; reading the export again makes a new one."""

    url: str
    expires_at: datetime


class Export(BaseModel):
    """One export."""

    id: str
    status: Literal["pending", "processing", "completed", "failed"]
    rows: Annotated[int, Field(description="Products written so far")]
    size_bytes: Annotated[int, Field(description="Bytes written so far")]
    percent: Annotated[float, Field(description="Of the catalogue's estimated size; 100 exactly when completed")]
    error: ExportError | None
    download: Annotated[Download | None, Field(description="When completed, as long as the file is stored")]
    created_at: datetime
    finished_at: datetime | None


@resource.endpoint(
    "POST",
    "/exports",
    scope="read",
    body=NewExport,
    answer=Export,
    status=202,
    errors=(409,),
    sends=("Location", "Retry-After"),
    idempotent=True,
)
def create_export() -> Response:
    """Starts an export of the products that match."""
    wanted = resource.body(NewExport)
    accepted = exports.accept(backends(), Filters(**wanted.model_dump()))
    return _answer(accepted, status=202, headers={"Location": f"{PREFIX}/exports/{accepted['id']}"})


@resource.endpoint("GET", "/exports/{export_id}", scope="read", answer=Export, sends=("Retry-After",))
def read_export(export_id: str) -> Response:
    """One export: how far it is, and when it is completed a link to its file."""
    with backends().database.transaction() as transaction:
        found = exports.get(transaction, uuid_of(export_id, "export"))
    return _answer(found, status=200, headers={})


def _answer(found: DictRow, *, status: int, headers: dict[str, str]) -> Response:
    shown = _shown(found)
    if found["status"] in exports.RUNNING:
        headers["Retry-After"] = str(POLL_SECONDS)
    if shown.download is not None:
        headers["Cache-Control"] = "no-store"  # The link is a secret.
    return resource_response(shown, resource.request, status=status, headers=headers)


def _shown(found: DictRow) -> Export:
    link = exports.download(backends(), found)
    error = ExportError(code=found["error_code"], message=found["error_message"]) if found["error_code"] else None
    return Export(
        id=str(found["id"]),
        status=found["status"],
        rows=found["exported_rows"],
        size_bytes=found["size_bytes"],
        percent=exports.percent(found),
        error=error,
        download=Download(url=link.url, expires_at=link.expires_at) if link else None,
        created_at=found["created_at"],
        finished_at=found["finished_at"],
    )
