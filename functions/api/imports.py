"""/imports: register an upload, watch an import, read its rejected rows, cancel it, retry it."""

from __future__ import annotations

import uuid

from chalice.app import Response

from chalicelib.backends.file_store import PresignedUpload
from chalicelib.importing import imports, progress, records, rejected_rows
from chalicelib.limits import POLL_SECONDS
from functions.api.ids import uuid_of
from functions.api.import_models import LISTED_RAW_BYTES, Import, NewImport, RegisteredImport, RejectedRow, Throughput
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window, whole_number
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


def _registered_again(import_id: str) -> Response:
    return _registered(*imports.renew(backends(), uuid.UUID(import_id)))


@resource.endpoint(
    "POST",
    "/imports",
    scope="write",
    body=NewImport,
    answer=RegisteredImport,
    status=201,
    sends=("Retry-After",),
    idempotent=_registered_again,
)
def create_import() -> Response:
    """Registers an upload and returns the link to PUT the file to."""
    wanted = resource.body(NewImport)
    registration = imports.Registration(wanted.filename, wanted.size_bytes, wanted.encoding)
    return _registered(*imports.register(backends(), registration, resource.token_id))


@resource.endpoint("GET", "/imports", scope="read", query=WindowQuery, answer=Page[Import])
def list_imports() -> Response:
    """Lists all imports, newest first."""
    window = read_window(resource)
    with backends().database.transaction() as transaction:
        total = imports.count(transaction)
        found = imports.page(
            transaction,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
    items = [Import.of(import_) for import_ in found]
    return page_response("/imports", window, [import_.id for import_ in found], items, Total(total))


@resource.endpoint("GET", "/imports/{import_id}", scope="read", answer=Import, sends=("Retry-After",))
def read_import(import_id: str) -> Response:
    """Returns one import: its progress while it runs, its receipt after it has ended."""
    with backends().database.transaction() as transaction:
        import_ = imports.get(transaction, uuid_of(import_id, "import"))
    return _shown(import_)


@resource.endpoint("GET", "/imports/{import_id}/throughput", scope="read", answer=Throughput, errors=(410,))
def read_throughput(import_id: str) -> Response:
    """Returns the rows done over time; 410 once they are no longer kept."""
    known = uuid_of(import_id, "import")
    with backends().database.transaction() as transaction:
        steps = progress.throughput(transaction, known)
        imports.require_details(imports.get(transaction, known))
    return resource_response(Throughput.of(steps), resource.request)


@resource.endpoint("POST", "/imports/{import_id}/cancel", scope="write", answer=Import, errors=(409,))
def cancel_import(import_id: str) -> Response:
    """Stops an import. What its finished chunks wrote stays."""
    return _shown(imports.cancel(backends(), uuid_of(import_id, "import")))


@resource.endpoint(
    "POST",
    "/imports/{import_id}/retry",
    scope="write",
    answer=Import,
    status=202,
    errors=(409,),
    sends=("Retry-After",),
)
def retry_import(import_id: str) -> Response:
    """Continues an import that failed, if the cause was not its file."""
    return _shown(imports.retry(backends(), uuid_of(import_id, "import")), status=202)


@resource.endpoint(
    "GET",
    "/imports/{import_id}/rejected-rows",
    scope="read",
    query=WindowQuery,
    answer=Page[RejectedRow],
    errors=(410,),
)
def list_rejected_rows(import_id: str) -> Response:
    """Lists the stored rejected rows in the order of their lines; 410 once they are no longer kept."""
    window = read_window(resource)
    known = uuid_of(import_id, "import")
    with backends().database.transaction() as transaction:
        rows = rejected_rows.page(
            transaction,
            known,
            window.limit + 1,
            after=checked(window.after, whole_number),
            before=checked(window.before, whole_number),
            raw_bytes_max=LISTED_RAW_BYTES,
        )
        total = rejected_rows.count(transaction, known)
        imports.require_details(imports.get(transaction, known))
    items = [RejectedRow.of(row) for row in rows]
    path = f"/imports/{known}/rejected-rows"
    return page_response(path, window, [row.line for row in rows], items, Total(total))


@resource.endpoint("GET", "/imports/{import_id}/rejected-rows.csv", scope="read", status=303, errors=(409, 410))
def download_rejected_rows(import_id: str) -> Response:
    """Redirects to a CSV of the rejected rows, to correct and upload again; 410 once they are no longer kept."""
    link = rejected_rows.csv_link(backends(), uuid_of(import_id, "import"))
    return Response(body="", status_code=303, headers={"Location": link})


def _registered(import_: records.Import, upload: PresignedUpload | None) -> Response:
    answer = RegisteredImport.of_upload(import_, upload)
    headers = {"Location": f"{PREFIX}/imports/{answer.id}", **_polling(answer)}
    return resource_response(answer, resource.request, status=201, headers=headers)


def _shown(import_: records.Import, *, status: int = 200) -> Response:
    answer = Import.of(import_)
    return resource_response(answer, resource.request, status=status, headers=_polling(answer))


def _polling(answer: Import) -> dict[str, str]:
    """Returns the header that says when to ask again, while the import can still change."""
    return {"Retry-After": str(POLL_SECONDS)} if answer.runs else {}
