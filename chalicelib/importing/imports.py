"""An import's life: registered, accepted, ended, reopened. Every change of its status is made in this module.

pending ──accept──▶ processing ──complete──▶ completed
   │                    │  ▲
   │                    │  └────retry──── failed      (only where a retry can help)
   ├──cancel/expire──▶  ├──fail──────────▶ failed
   └─────────────────▶  └──cancel────────▶ cancelled      (also a file that is plainly not a product file, at once)
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import PresignedUpload, StoredFile
from chalicelib.errors import Conflict, FileUnavailable, NoLongerKept, NotFound, TooMany
from chalicelib.fault_points import fault_point
from chalicelib.importing import ignored_files
from chalicelib.importing.outcomes import FILE_IGNORED, Result
from chalicelib.importing.records import Import, ImportState, Status
from chalicelib.limits import (
    FILENAME_CHARACTERS_MAX,
    IMPORT_DETAILS_KEPT_DAYS,
    IMPORTS_UNFINISHED_PER_TOKEN_MAX,
    UNFINISHED_RETRY_SECONDS,
    UPLOAD_EXPIRES_SECONDS,
)
from chalicelib.messages import UploadMessage
from chalicelib.telemetry import WARNING

UPLOADS_PREFIX = "uploads/"
CONTENT_TYPE = "text/csv"


@dataclass(frozen=True)
class _Found:
    """An import that a query looked for or changed."""

    id: uuid.UUID


@dataclass(frozen=True)
class Registration:
    """An upload to register. `encoding` is None if the file itself says what it is."""

    filename: str
    size_bytes: int
    encoding: str | None = None


def register(backends: Backends, wanted: Registration, token_id: uuid.UUID) -> tuple[Import, PresignedUpload]:
    """Creates a pending import and the link to upload its file.

    Raises TooMany when too many of the token's imports are unfinished, Transient.
    """
    with backends.database.transaction() as transaction:
        _refuse_too_many(transaction, token_id)
        import_id = transaction.value(
            "register_import",
            uuid.UUID,
            **asdict(wanted),
            token_id=token_id,
            bucket=backends.files.bucket,
            prefix=UPLOADS_PREFIX,
            expires_seconds=UPLOAD_EXPIRES_SECONDS,
        )
        import_ = get(transaction, import_id)
        transaction.log("import registered", import_id=import_id, size_bytes=wanted.size_bytes)
    return import_, backends.files.presign_upload(import_.object_key, wanted.size_bytes, CONTENT_TYPE)


def _refuse_too_many(transaction: Transaction, token_id: uuid.UUID) -> None:
    """Raises TooMany when the token has too many unfinished imports. Until the commit, it can register no others."""
    transaction.run("lock_registrations", token_id=token_id)
    unfinished = transaction.value("count_unfinished_imports", int, token_id=token_id)
    if unfinished >= IMPORTS_UNFINISHED_PER_TOKEN_MAX:
        raise TooMany(
            f"{unfinished} imports of this token are not finished yet; wait until one of them is, or cancel one",
            code="too_many_imports",
            retry_after_seconds=UNFINISHED_RETRY_SECONDS,
        )


def renew(backends: Backends, import_id: uuid.UUID) -> tuple[Import, PresignedUpload | None]:
    """Returns a registered import, with a fresh link if its file has not arrived yet.

    Raises NotFound, Transient.
    """
    with backends.database.transaction() as transaction:
        is_pending = transaction.run("renew_upload", id=import_id, expires_seconds=UPLOAD_EXPIRES_SECONDS) > 0
        import_ = get(transaction, import_id)
    if not is_pending:
        return import_, None
    return import_, backends.files.presign_upload(import_.object_key, import_.size_bytes, CONTENT_TYPE)


def accept(transaction: Transaction, bucket: str, stored: StoredFile) -> uuid.UUID | None:
    """Returns the import of an object in S3. The first time the object is seen, the import enters the acceptance order.

    The same object version is always the same import. Returns None when its registration ended before it arrived, when
    it is plainly not a product file, and for the empty objects that consoles create to show a folder.
    """
    if stored.key.endswith("/") and not stored.size_bytes:
        return None
    acceptance.enter(transaction)  # So that a bulk delete sees every import accepted before it.
    identity = {"bucket": bucket, "object_key": stored.key, "object_version": stored.version}
    known = transaction.one("find_import_by_object", _Found, **identity)
    if known is None:
        known = _accept_first_seen(transaction, identity, stored)
    return known.id if known else None


def _accept_first_seen(transaction: Transaction, identity: dict[str, str], stored: StoredFile) -> _Found | None:
    accepted = transaction.one("accept_registered_import", _Found, **identity, size_bytes=stored.size_bytes)
    if accepted is None:
        if transaction.exists("find_ended_registration", bucket=identity["bucket"], object_key=stored.key):
            return None
        filename = PurePosixPath(stored.key).name[:FILENAME_CHARACTERS_MAX] or stored.key[-FILENAME_CHARACTERS_MAX:]
        dropped = {**identity, "size_bytes": stored.size_bytes, "filename": filename}
        reason = ignored_files.why_ignored(stored.key, stored.size_bytes)
        if reason is not None:
            _ignore(transaction, dropped, reason)
            return None
        accepted = transaction.one("accept_dropped_import", _Found, **dropped)
    if accepted is None:  # Another process accepted it between two of our statements.
        return transaction.one("find_import_by_object", _Found, **identity)
    transaction.log("import accepted", import_id=accepted.id, size_bytes=stored.size_bytes)
    return accepted


def _ignore(transaction: Transaction, dropped: Mapping[str, Any], reason: str) -> None:
    """Records a file that is not imported, so that users see why. It takes no place in the acceptance order."""
    ignored = transaction.one("record_ignored_import", _Found, **dropped, error_code=FILE_IGNORED, reason=reason)
    if ignored is not None:
        transaction.log("file ignored", import_id=ignored.id, code=FILE_IGNORED, reason=reason)


def get(transaction: Transaction, import_id: uuid.UUID) -> Import:
    """Returns one import with its sums. Raises NotFound."""
    import_ = transaction.one("find_import", Import, id=import_id)
    if import_ is None:
        raise NotFound(f"there is no import {import_id}")
    return import_


def require_details(import_: Import) -> None:
    """Raises NoLongerKept if the import's chunks and rejected rows have been removed.

    Read the import after them. They are removed in one transaction: if they are still kept then, nothing was missing.
    """
    if not import_.details_kept:
        raise NoLongerKept(
            f"the rejected rows and the throughput of an import are kept for {IMPORT_DETAILS_KEPT_DAYS} days; those of"
            f" import {import_.id} have been removed",
            code="details_not_kept",
        )


def page(
    transaction: Transaction, limit: int, *, above: uuid.UUID | None = None, below: uuid.UUID | None = None
) -> list[Import]:
    """Returns imports, newest first: the `limit` next above an id, or below it, or else the newest."""
    if above is not None:
        return transaction.all("imports_above", Import, id=above, limit=limit)[::-1]
    return transaction.all("imports_below", Import, id=below, limit=limit)


def count(transaction: Transaction) -> int:
    """Returns how many imports there are."""
    return transaction.value("count_imports", int)


def lock(transaction: Transaction, import_id: uuid.UUID) -> ImportState:
    """Locks the import's row until the transaction ends. Raises NotFound."""
    locked = transaction.one("lock_import", ImportState, id=import_id)
    if locked is None:
        raise NotFound(f"there is no import {import_id}")
    return locked


def complete(transaction: Transaction, import_id: uuid.UUID) -> None:
    """Completes a running import whose chunks are all done, with its event, in the transaction of the last of them.

    The caller has counted them in the statement that locked the import's row. So when the last two chunks are done at
    the same time, the second sees the first.
    """
    transaction.run("complete_import", id=import_id)
    fault_point("completion.after_status")
    rows = _record_event(transaction, import_id, "import.completed").rows.to_json()
    transaction.log("import completed", import_id=import_id, rows=rows, measured={"ImportsCompleted": 1})
    fault_point("completion.after_event")


def fail(
    transaction: Transaction,
    import_id: uuid.UUID,
    code: str,
    message: str,
    *,
    retryable: bool,
    attempt: int | None = None,
) -> bool:
    """Ends a running import with a reason and its event. Does nothing if it has ended or is at a later attempt."""
    locked = lock(transaction, import_id)
    if not locked.is_running or (attempt is not None and locked.attempt != attempt):
        return False
    _end(transaction, import_id, "failed", code, message, retryable)
    fault_point("fail.after_status")
    _record_event(transaction, import_id, "import.failed")
    transaction.log(
        "import failed", level=WARNING, import_id=import_id, code=code, reason=message, measured={"ImportsFailed": 1}
    )
    return True


def fail_without_file(transaction: Transaction, import_id: uuid.UUID, error: FileUnavailable) -> bool:
    """Ends a running import whose file cannot be read."""
    return fail(transaction, import_id, error.code, str(error), retryable=error.retryable)


def cancel(backends: Backends, import_id: uuid.UUID) -> Import:
    """Stops an import; what its finished chunks wrote stays. Raises NotFound, Conflict when it has ended."""
    with backends.database.transaction() as transaction:
        locked = lock(transaction, import_id)
        if not locked.is_running:
            raise Conflict(f"the import is already {locked.status} and cannot be cancelled", code="import_ended")
        _end(transaction, import_id, "cancelled", "cancelled_by_user", "The import was cancelled.", retryable=False)
        return get(transaction, import_id)


def cancel_for_bulk_delete(transaction: Transaction, import_id: uuid.UUID) -> None:
    """Ends a running import whose products a later bulk delete has deleted. The caller has locked its row."""
    message = "All products were deleted while the import was running. To import its products, upload the file again."
    _end(transaction, import_id, "cancelled", "products_deleted", message, retryable=False)


def retry(backends: Backends, import_id: uuid.UUID) -> Import:
    """Reopens a failed import at its old place in the acceptance order. Finished chunks are not done again.

    Raises NotFound, Conflict (it did not fail, a retry cannot help, or its file cannot be read), Transient.
    """
    with backends.database.transaction() as transaction:
        import_ = get(transaction, import_id)
    _require_retryable(import_)
    try:
        backends.files.find(*import_.data_location)
    except FileUnavailable as error:
        raise Conflict(f"the import cannot be retried: {error}", code=error.code) from None
    with backends.database.transaction() as transaction:
        _require_retryable(lock(transaction, import_id))
        transaction.run("reopen_import", id=import_id)
        transaction.run("send_again", id=import_id)
        reopened = get(transaction, import_id)
        transaction.log("import reopened", import_id=import_id, attempt=reopened.attempt)
    fault_point("retry.after_commit")
    backends.queues.send("uploads", [UploadMessage(continue_import=import_id)])
    return reopened


def _require_retryable(import_: ImportState) -> None:
    if import_.status != "failed":
        raise Conflict(f"the import is {import_.status}; only a failed import can be retried", code="import_not_failed")
    if not import_.file_kept:
        raise Conflict(
            "the import cannot be retried: its file is no longer kept. Upload it again. Why the import failed:"
            f" {import_.error_message}",
            code="file_gone",
        )
    if not import_.retryable:
        raise Conflict(
            f"a retry cannot help; upload a corrected file instead. Why the import failed: {import_.error_message}",
            code="not_retryable",
        )


def _end(
    transaction: Transaction, import_id: uuid.UUID, status: Status, code: str, message: str, retryable: bool
) -> None:
    transaction.run(
        "end_import", id=import_id, status=status, error_code=code, error_message=message, retryable=retryable
    )
    if status == "cancelled":
        transaction.log("import cancelled", import_id=import_id, code=code)


def _record_event(transaction: Transaction, import_id: uuid.UUID, event_type: str) -> Import:
    """Records the event in the transaction of the change. The unique key allows one per attempt."""
    import_ = get(transaction, import_id)
    events.record(transaction, event_type, f"{import_id}:{import_.attempt}", _event_data(import_))
    return import_


def _event_data(import_: Import) -> dict[str, Any]:
    result = Result.of(import_.status, import_.error_code, import_.rows)
    reason = import_.end_reason
    return {
        "id": str(import_.id),
        "filename": import_.filename,
        "status": import_.status,
        "outcome": result.outcome if result else None,
        "summary": result.summary if result else None,
        "attempt": import_.attempt,
        "rows": import_.rows.to_json(),
        "error": asdict(reason) if reason else None,
    }
