"""/imports: register an upload, watch an import, read what was rejected, cancel, retry."""

from __future__ import annotations

import uuid
from typing import Annotated

from chalice.app import Response
from psycopg.rows import DictRow
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from chalicelib.backends.file_store import PresignedUpload
from chalicelib.csvfile.transcode import ENCODINGS
from chalicelib.importing import imports, rejected_rows
from chalicelib.limits import FILE_BYTES_MAX, FILENAME_CHARACTERS_MAX, POLL_SECONDS, THROUGHPUT_STEPS_MAX
from functions.api import request_parsing
from functions.api.ids import uuid_of
from functions.api.import_models import (
    ImportAnswer,
    NewImportAnswer,
    RejectedRowAnswer,
    ThroughputAnswer,
    import_answer,
    new_import_answer,
    rejected_row_answer,
)
from functions.api.paging import Page, Total, WindowQuery, checked, page, read_window, whole_number
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


def _known_encoding(name: str) -> str:
    if name.lower() not in ENCODINGS:
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
        BeforeValidator(request_parsing.whole_number),
    ]
    encoding: Annotated[
        Annotated[str, AfterValidator(_known_encoding), Field(json_schema_extra={"enum": [*ENCODINGS]})] | None,
        Field(description="Only where the file is neither UTF-8, nor UTF-16 with a byte order mark; in any case"),
    ] = None


def _registered_again(import_id: str) -> Response:
    return _registered(*imports.renew(backends(), uuid.UUID(import_id)))


@resource.endpoint(
    "POST",
    "/imports",
    scope="write",
    body=NewImport,
    answer=NewImportAnswer,
    status=201,
    sends=("Retry-After",),
    idempotent=_registered_again,
)
def create_import() -> Response:
    """Registers an upload; answers with the link to PUT the file to."""
    wanted = resource.body(NewImport)
    return _registered(*imports.register(backends(), wanted.filename, wanted.size_bytes, wanted.encoding))


@resource.endpoint("GET", "/imports", scope="read", query=WindowQuery, answer=Page[ImportAnswer])
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
    items = [import_answer(each) for each in found]
    return page("/imports", window, found, "id", items, Total(total["total"] if total else 0))


@resource.endpoint("GET", "/imports/{import_id}", scope="read", answer=ImportAnswer, sends=("Retry-After",))
def read_import(import_id: str) -> Response:
    """One import: progress while it runs, the receipt when it has ended."""
    with backends().database.transaction() as transaction:
        found = imports.get(transaction, uuid_of(import_id, "import"))
    return _shown(found)


@resource.endpoint("GET", "/imports/{import_id}/throughput", scope="read", answer=ThroughputAnswer)
def read_throughput(import_id: str) -> Response:
    """How many rows were done when."""
    with backends().database.transaction() as transaction:
        found = imports.get(transaction, uuid_of(import_id, "import"))
        steps = transaction.all("import_throughput", import_id=found["id"], steps=THROUGHPUT_STEPS_MAX)
    answer = ThroughputAnswer(step_seconds=steps[0]["seconds"] if steps else 0.0, rows=[each["rows"] for each in steps])
    return resource_response(answer, resource.request)


@resource.endpoint("POST", "/imports/{import_id}/cancel", scope="write", answer=ImportAnswer, errors=(409,))
def cancel_import(import_id: str) -> Response:
    """Stops an import; finished chunks stay."""
    return _shown(imports.cancel(backends(), uuid_of(import_id, "import")))


@resource.endpoint(
    "POST",
    "/imports/{import_id}/retry",
    scope="write",
    answer=ImportAnswer,
    status=202,
    errors=(409,),
    sends=("Retry-After",),
)
def retry_import(import_id: str) -> Response:
    """Goes on with an import that failed through no fault of its file."""
    return _shown(imports.retry(backends(), uuid_of(import_id, "import")), status=202)


@resource.endpoint(
    "GET", "/imports/{import_id}/rejected-rows", scope="read", query=WindowQuery, answer=Page[RejectedRowAnswer]
)
def list_rejected_rows(import_id: str) -> Response:
    """The rejected rows in the order of their lines."""
    window = read_window(resource)
    limit = window.limit + 1
    with backends().database.transaction() as transaction:
        found = imports.get(transaction, uuid_of(import_id, "import"))
        identity = {"import_id": found["id"], "limit": limit}
        if window.before is not None:
            rows = transaction.all(
                "list_rejected_rows_before", before=checked(window.before, whole_number), **identity
            )[::-1]
        else:
            rows = transaction.all("list_rejected_rows", after=checked(window.after, whole_number) or 0, **identity)
        stored = transaction.one("stored_rejections", import_id=found["id"])
    items = [rejected_row_answer(each) for each in rows]
    total = Total(stored["rows"] if stored else 0)
    return page(f"/imports/{found['id']}/rejected-rows", window, rows, "line", items, total)


@resource.endpoint("GET", "/imports/{import_id}/rejected-rows.csv", scope="read", status=303, errors=(409,))
def download_rejected_rows(import_id: str) -> Response:
    """Redirects to a CSV of the rejected rows that can be mended and uploaded again."""
    link = rejected_rows.csv_link(backends(), uuid_of(import_id, "import"))
    return Response(body="", status_code=303, headers={"Location": link, "Cache-Control": "no-store"})


def _registered(found: DictRow, upload: PresignedUpload | None) -> Response:
    answer = new_import_answer(found, upload)
    headers = {"Location": f"{PREFIX}/imports/{answer.id}", "Cache-Control": "no-store", **_polling(answer)}
    return resource_response(answer, resource.request, status=201, headers=headers)


def _shown(found: DictRow, *, status: int = 200) -> Response:
    answer = import_answer(found)
    return resource_response(answer, resource.request, status=status, headers=_polling(answer))


def _polling(answer: ImportAnswer) -> dict[str, str]:
    """Tells a client when to ask again, for as long as there will be news."""
    return {"Retry-After": str(POLL_SECONDS)} if answer.runs else {}
