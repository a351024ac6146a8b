"""An import's life: registered, accepted, ended, opened again. Every change of its status is made in this module.

pending ──accept──▶ processing ──complete──▶ completed
   │                    │  ▲
   │                    │  └────retry──── failed      (only where trying again can help)
   ├──cancel/expire──▶  ├──fail──────────▶ failed
   └─────────────────▶  └──cancel────────▶ cancelled
"""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import Any

from psycopg.rows import DictRow

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import FileGone, PresignedUpload, StoredFile
from chalicelib.errors import Conflict, NotFound
from chalicelib.fault_points import fault_point
from chalicelib.limits import FILENAME_CHARACTERS_MAX, UPLOAD_EXPIRES_SECONDS
from chalicelib.messages import UploadMessage
from chalicelib.telemetry import WARNING

UPLOADS_PREFIX = "uploads/"
CONTENT_TYPE = "text/csv"


def register(
    backends: Backends, filename: str, size_bytes: int, encoding: str | None
) -> tuple[DictRow, PresignedUpload]:
    """A pending import, and the link to upload its file. Raises Transient."""
    with backends.database.transaction() as transaction:
        made = transaction.one(
            "register_import",
            filename=filename,
            encoding=encoding,
            bucket=backends.files.bucket,
            prefix=UPLOADS_PREFIX,
            size_bytes=size_bytes,
            expires_seconds=UPLOAD_EXPIRES_SECONDS,
        )
        assert made is not None
        found = get(transaction, made["id"])
        transaction.tell("import registered", import_id=found["id"], size_bytes=size_bytes)
    return found, backends.files.presign_upload(found["object_key"], size_bytes, CONTENT_TYPE)


def renew(backends: Backends, import_id: uuid.UUID) -> tuple[DictRow, PresignedUpload | None]:
    """An import that was registered before, with a fresh link while its file is still waited for.

    Raises NotFound, Transient.
    """
    with backends.database.transaction() as transaction:
        renewed = transaction.one("renew_upload", id=import_id, expires_seconds=UPLOAD_EXPIRES_SECONDS)
        found = get(transaction, import_id)
    if renewed is None:
        return found, None
    return found, backends.files.presign_upload(renewed["object_key"], renewed["size_bytes"], CONTENT_TYPE)


def accept(transaction: Transaction, bucket: str, stored: StoredFile) -> uuid.UUID | None:
    """The import of an object that is in S3, taking its place in the acceptance order the first time it is seen.

    The same object version is always the same import. None when its registration ended before it arrived, and for the
    empty objects that consoles make to show a folder.
    """
    if stored.key.endswith("/"):
        return None
    acceptance.enter(transaction)  # So that a bulk delete sees every import accepted before it.
    identity = {"bucket": bucket, "object_key": stored.key, "object_version": stored.version}
    known = transaction.one("find_import_by_object", **identity)
    if known is None:
        known = _accept_first_seen(transaction, identity, stored)
    return uuid.UUID(str(known["id"])) if known else None


def _accept_first_seen(transaction: Transaction, identity: dict[str, str], stored: StoredFile) -> DictRow | None:
    accepted = transaction.one("accept_registered_import", **identity, size_bytes=stored.size_bytes)
    if accepted is None:
        if transaction.one("find_ended_registration", bucket=identity["bucket"], object_key=stored.key):
            return None
        filename = PurePosixPath(stored.key).name[:FILENAME_CHARACTERS_MAX] or stored.key[-FILENAME_CHARACTERS_MAX:]
        accepted = transaction.one("accept_dropped_import", **identity, size_bytes=stored.size_bytes, filename=filename)
    if accepted is None:  # Somebody else accepted it between two statements of ours.
        return transaction.one("find_import_by_object", **identity)
    transaction.tell("import accepted", import_id=accepted["id"], size_bytes=stored.size_bytes)
    return accepted


def get(transaction: Transaction, import_id: uuid.UUID) -> DictRow:
    """One import with its sums. Raises NotFound."""
    found = transaction.one("find_import", id=import_id)
    if found is None:
        raise NotFound(f"there is no import {import_id}")
    return found


def lock(transaction: Transaction, import_id: uuid.UUID) -> DictRow:
    """The import's row, locked until the transaction ends. Raises NotFound."""
    found = transaction.one("lock_import", id=import_id)
    if found is None:
        raise NotFound(f"there is no import {import_id}")
    return found


def complete_if_done(transaction: Transaction, import_id: uuid.UUID) -> bool:
    """Completes an import whose last chunk is done, with its event, in the caller's transaction.

    Whoever comes here holds the import's row, and looks in a new statement: of two last chunks at once, the second sees
    the first. Returns whether the import is still alive (processing, or completed just now).
    """
    locked = lock(transaction, import_id)
    if locked["status"] != "processing":
        return False
    fault_point("completion.after_lock")
    if locked["split_done"]:
        progress = transaction.one("import_progress", id=import_id)
        if progress and progress["open_chunks"] == 0:
            transaction.run("complete_import", id=import_id)
            fault_point("completion.after_status")
            found = _record_event(transaction, import_id, "import.completed")
            transaction.tell(
                "import completed", import_id=import_id, rows=rows(found), measured={"ImportsCompleted": 1}
            )
            fault_point("completion.after_event")
    return True


def fail(
    transaction: Transaction,
    import_id: uuid.UUID,
    code: str,
    message: str,
    *,
    retryable: bool,
    attempt: int | None = None,
) -> bool:
    """Ends a running import with a reason and its event; does nothing if it has ended or is at a later attempt."""
    locked = lock(transaction, import_id)
    if locked["status"] not in {"pending", "processing"} or (attempt is not None and locked["attempt"] != attempt):
        return False
    _end(transaction, import_id, "failed", code, message, retryable)
    fault_point("fail.after_status")
    _record_event(transaction, import_id, "import.failed")
    transaction.tell(
        "import failed", level=WARNING, import_id=import_id, code=code, reason=message, measured={"ImportsFailed": 1}
    )
    return True


def cancel(backends: Backends, import_id: uuid.UUID) -> DictRow:
    """Stops an import; what its finished chunks wrote stays. Raises NotFound, Conflict when it has ended."""
    with backends.database.transaction() as transaction:
        locked = lock(transaction, import_id)
        if locked["status"] not in {"pending", "processing"}:
            raise Conflict(f"the import is {locked['status']} and cannot be cancelled", code="import_ended")
        _end(transaction, import_id, "cancelled", "cancelled_by_user", "The import was cancelled.", retryable=False)
        return get(transaction, import_id)


def cancel_for_bulk_delete(transaction: Transaction, import_id: uuid.UUID) -> None:
    """Ends a running import whose products a later bulk delete has taken. The caller holds its row."""
    message = "All products were deleted while the import ran. Upload the file again if you want its products."
    _end(transaction, import_id, "cancelled", "products_deleted", message, retryable=False)


def retry(backends: Backends, import_id: uuid.UUID) -> DictRow:
    """Opens a failed import again at its old place in the acceptance order; finished chunks are not done twice.

    Raises NotFound, Conflict (it did not fail, trying again cannot help, or its file is gone), Transient.
    """
    with backends.database.transaction() as transaction:
        found = get(transaction, import_id)
    _require_retryable(found)
    try:
        backends.files.find(found["data_key"] or found["object_key"], found["data_version"] or found["object_version"])
    except FileGone:
        raise Conflict(
            "the uploaded file is no longer stored, so the import cannot be retried; upload the file again",
            code="file_gone",
        ) from None
    with backends.database.transaction() as transaction:
        # Chunks before the import, as everywhere: a worker may still hold one, and be about to lock the import.
        transaction.run("unsend_chunks", import_id=import_id)
        _require_retryable(lock(transaction, import_id))
        transaction.run("reopen_import", id=import_id)
        reopened = get(transaction, import_id)
        transaction.tell("import opened again", import_id=import_id, attempt=reopened["attempt"])
    fault_point("retry.after_commit")
    backends.queues.send("uploads", [UploadMessage(continue_import=import_id)])
    return reopened


def _require_retryable(found: DictRow) -> None:
    if found["status"] != "failed":
        raise Conflict(
            f"the import is {found['status']}; only a failed import can be retried", code="import_not_failed"
        )
    if not found["retryable"]:
        raise Conflict(
            f"retrying cannot help: {found['error_message']} Mend the file and upload it again.", code="not_retryable"
        )


def _end(transaction: Transaction, import_id: uuid.UUID, status: str, code: str, message: str, retryable: bool) -> None:
    transaction.run(
        "end_import", id=import_id, status=status, error_code=code, error_message=message, retryable=retryable
    )
    if status == "cancelled":
        transaction.tell("import cancelled", import_id=import_id, code=code)


def _record_event(transaction: Transaction, import_id: uuid.UUID, event_type: str) -> DictRow:
    """Records the event in the transaction of the change. The unique key holds it to one per attempt."""
    found = get(transaction, import_id)
    events.record(transaction, event_type, f"{import_id}:{found['attempt']}", summary(found))
    return found


def rows(found: DictRow) -> dict[str, int]:
    """The receipt: total = created + updated + unchanged + superseded + rejected."""
    counts = {name: int(found[name]) for name in ("created", "updated", "unchanged", "superseded", "rejected")}
    return {"total": sum(counts.values()), **counts}


def summary(found: DictRow) -> dict[str, Any]:
    """What an event tells of an import."""
    return {
        "id": str(found["id"]),
        "filename": found["filename"],
        "status": found["status"],
        "attempt": found["attempt"],
        "rows": rows(found),
        "error": error(found),
    }


def error(found: DictRow) -> dict[str, Any] | None:
    """Why an import ended early, or None."""
    if found["error_code"] is None:
        return None
    return {"code": found["error_code"], "message": found["error_message"], "retryable": found["retryable"]}
