"""/imports: register an upload, watch an import, read what was rejected, cancel, retry."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from chalice.app import Response
from psycopg.rows import DictRow
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from chalicelib import imports, rejections
from chalicelib.errors import NotFound
from chalicelib.limits import FILE_BYTES_MAX, FILENAME_CHARACTERS_MAX, POLL_SECONDS
from chalicelib.progress import Progress
from chalicelib.transcode import ENCODINGS
from functions.api.intake import whole_number
from functions.api.pages import WindowQuery, checked, page, read_window
from functions.api.resource import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


def _known_encoding(name: str | None) -> str | None:
    if name is not None and name.lower() not in ENCODINGS:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")
    return name


class NewImport(BaseModel):
    """What is promised of an upload."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"filename": "products.csv", "size_bytes": 75_000_000}]},
    )

    filename: Annotated[
        str,
        Field(
            min_length=1,
            max_length=FILENAME_CHARACTERS_MAX,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="As the user knows it",
        ),
    ]
    size_bytes: Annotated[
        int,
        Field(ge=1, le=FILE_BYTES_MAX, description="Exactly; the signed link accepts no other"),
        BeforeValidator(whole_number),
    ]
    encoding: Annotated[
        str | None,
        AfterValidator(_known_encoding),
        Field(description="Only where the file is neither UTF-8, nor UTF-16 with a byte order mark"),
    ] = None


@resource.endpoint("POST", "/imports", scope="write", body=NewImport, status=201)
def create_import() -> Response:
    """Registers an upload; answers with the link to PUT the file to."""
    wanted = resource.body(NewImport)
    found, upload = imports.register(backends(), wanted.filename, wanted.size_bytes, wanted.encoding)
    content = _shown(found) | {
        "upload": {
            "method": upload.method,
            "url": upload.url,
            "headers": upload.headers,
            "expires_at": upload.expires_at.isoformat(),
        }
    }
    location = {"Location": f"{PREFIX}/imports/{found['id']}"}
    return resource_response(content, resource.request, status=201, headers=location)


@resource.endpoint("GET", "/imports", scope="read", query=WindowQuery)
def list_imports() -> Response:
    """The history, newest first."""
    window = read_window(resource)
    limit = window.limit + 1
    with backends().database.transaction() as transaction:
        total = transaction.one("count_imports")
        if window.before is not None:
            found = transaction.all("imports_after", after=checked(window.before, uuid.UUID), limit=limit)[::-1]
        else:
            found = transaction.all("imports_before", before=checked(window.after, uuid.UUID), limit=limit)
    return page("/imports", window, found, "id", [_shown(each) for each in found], total["total"] if total else 0)


@resource.endpoint("GET", "/imports/{import_id}", scope="read")
def read_import(import_id: str) -> Response:
    """One import: progress while it runs, the receipt when it has ended."""
    with backends().database.transaction() as transaction:
        found = imports.get(transaction, _id(import_id))
    polling = {"Retry-After": str(POLL_SECONDS)} if found["status"] in {"pending", "processing"} else {}
    return resource_response(_shown(found), resource.request, headers=polling)


@resource.endpoint("POST", "/imports/{import_id}/cancel", scope="write")
def cancel_import(import_id: str) -> Response:
    """Stops an import; finished chunks stay."""
    return resource_response(_shown(imports.cancel(backends(), _id(import_id))), resource.request)


@resource.endpoint("POST", "/imports/{import_id}/retry", scope="write")
def retry_import(import_id: str) -> Response:
    """Goes on with an import that failed through no fault of its file."""
    return resource_response(_shown(imports.retry(backends(), _id(import_id))), resource.request, status=202)


@resource.endpoint("GET", "/imports/{import_id}/rejected-rows", scope="read", query=WindowQuery)
def list_rejected_rows(import_id: str) -> Response:
    """The rejected rows in the order of their lines."""
    window = read_window(resource)
    limit = window.limit + 1
    with backends().database.transaction() as transaction:
        found = imports.get(transaction, _id(import_id))
        identity = {"import_id": found["id"], "limit": limit}
        if window.before is not None:
            rows = transaction.all("list_rejected_rows_before", before=checked(window.before, _line), **identity)[::-1]
        else:
            rows = transaction.all("list_rejected_rows", after=checked(window.after, _line) or 0, **identity)
        stored = transaction.one("stored_rejections", import_id=found["id"])
    items = [_rejected(each) for each in rows]
    return page(f"/imports/{found['id']}/rejected-rows", window, rows, "line", items, stored["rows"] if stored else 0)


@resource.endpoint("GET", "/imports/{import_id}/rejected-rows.csv", scope="read")
def download_rejected_rows(import_id: str) -> Response:
    """Redirects to a CSV of the rejected rows that can be mended and uploaded again."""
    link = rejections.csv_link(backends(), _id(import_id))
    return Response(body="", status_code=303, headers={"Location": link, "Cache-Control": "no-store"})


def _id(text: str) -> uuid.UUID:
    """Ids are opaque to clients: what cannot be one of ours does not exist."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound(f"there is no import {text[:64]}") from None


def _line(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError
    return int(text)


def _rejected(row: DictRow) -> dict[str, Any]:
    return {
        "line": row["line"],
        "column": row["column_name"],
        "code": row["code"],
        "message": row["message"],
        "raw": bytes(row["raw"]).decode("utf-8", "replace"),
    }


def _shown(found: DictRow) -> dict[str, Any]:
    progress = Progress.of(found, datetime.now(UTC))
    return {
        "id": str(found["id"]),
        "status": found["status"],
        "filename": found["filename"],
        "percent": progress.percent,
        "rows": imports.rows(found),
        "bytes": {"total": progress.total_bytes, "done": progress.done_bytes},
        "bytes_per_second": progress.bytes_per_second,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": progress.eta_seconds,
        "attempt": found["attempt"],
        "error": imports.error(found),
        "warnings": found["warnings"],
        "created_at": _time(found["created_at"]),
        "started_at": _time(found["started_at"]),
        "finished_at": _time(found["finished_at"]),
    }


def _time(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None
