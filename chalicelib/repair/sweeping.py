"""The sweep: repairs lost work every minute, and removes old data.

It checks the state itself, so no work depends on a message arriving. Each step is limited; what one sweep leaves, the
next one finds. Removal comes last, and has a limited time. No step depends on the success of another.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.catalogue import search_index
from chalicelib.errors import FileGone, FileRefused, FileUnavailable
from chalicelib.fault_points import fault_point
from chalicelib.importing import arrivals, imports, window
from chalicelib.importing.records import ImportFile
from chalicelib.limits import (
    ABANDONED_SECONDS,
    LOST_SECONDS,
    STALLED_SECONDS,
    SWEEP_BULK_DELETES_MAX,
    SWEEP_EVENT_SECONDS,
    SWEEP_EXPORTS_MAX,
    SWEEP_IMPORTS_MAX,
    SWEEP_LIST_VERSIONS_MAX,
    UPLOAD_GRACE_SECONDS,
)
from chalicelib.messages import BulkDeleteMessage, ExportMessage
from chalicelib.repair import retention
from chalicelib.telemetry import log
from chalicelib.webhooks import attempts, relay


@dataclass(frozen=True)
class _PendingImport:
    """A registered upload whose object has not been seen yet."""

    id: uuid.UUID
    object_key: str
    overdue: bool
    """Whether the object can no longer arrive."""


@dataclass(frozen=True)
class _StalledImport(ImportFile):
    """A running import that nothing has advanced for a while."""

    id: uuid.UUID
    abandoned: bool
    """Whether it has not advanced for so long that it ends."""
    is_lost: bool
    """Whether it has waited for so long that its messages count as lost, whatever the queues say."""


@dataclass(frozen=True)
class _Expected:
    """How many messages about running imports the queues have if none is lost."""

    chunks: int
    uploads: int
    """For the splitter, and for rewriting before it."""


@dataclass(frozen=True)
class _Cursor:
    """Where the listing of the bucket continues. Both are None at its beginning."""

    key_marker: str | None
    version_marker: str | None


@dataclass(frozen=True)
class _Woken:
    """A bulk delete or an export that was stalled."""

    id: uuid.UUID


def sweep(
    backends: Backends, *, stalled_seconds: float = STALLED_SECONDS, event_seconds: float = SWEEP_EVENT_SECONDS
) -> None:
    """Does one round of repairs. The waiting times are parameters for tests. Raises Transient."""
    _accept_lost_uploads(backends)
    _accept_dropped_files(backends, event_seconds)
    _wake_stalled(backends, stalled_seconds)
    _wake_stalled_bulk_deletes(backends, stalled_seconds)
    _wake_stalled_exports(backends, stalled_seconds)
    relay.wake_lost(backends.database, backends.queues)
    attempts.wake_due(backends.database, backends.queues)
    search_index.wake_lost(backends.database, backends.queues)
    retention.remove_old_data(backends)
    _measure_operations(backends)


def _accept_lost_uploads(backends: Backends) -> None:
    """Accepts registered uploads that are in S3 although no event came; ends those that can no longer arrive."""
    with backends.database.transaction() as transaction:
        pending = transaction.all(
            "pending_imports", _PendingImport, limit=SWEEP_IMPORTS_MAX, grace_seconds=UPLOAD_GRACE_SECONDS
        )
    for import_ in pending:
        uploaded = _uploaded(backends, import_.object_key)
        if not uploaded and import_.overdue:
            message = "The file was not uploaded before its link expired. Start a new upload."
            with backends.database.transaction() as transaction:
                imports.fail(transaction, import_.id, "upload_expired", message, retryable=False)
        _accept(backends, uploaded)


def _uploaded(backends: Backends, key: str) -> list[StoredFile]:
    """Returns the newest version of an object, if there is one. If it cannot be read, its import will say why."""
    try:
        return [backends.files.find(key)]
    except FileRefused:
        return backends.files.versions_of(key, limit=1)
    except FileGone:
        return []


def _accept_dropped_files(backends: Backends, event_seconds: float) -> None:
    """Accepts uploaded objects that no import knows, because their event was lost. Lists one page of the bucket."""
    with backends.database.transaction() as transaction:
        cursor = transaction.row("read_sweep_cursor", _Cursor)
    stored, key_marker, version_marker = backends.files.list_versions(
        imports.UPLOADS_PREFIX, SWEEP_LIST_VERSIONS_MAX, cursor.key_marker, cursor.version_marker
    )
    if stored and key_marker is not None:
        # The next page may begin with older versions of the last key. They come before those on this page.
        stored = list(dict.fromkeys([*arrivals.versions_of(backends, stored[-1].key), *stored]))
    with backends.database.transaction() as transaction:
        transaction.run("move_sweep_cursor", key_marker=key_marker, version_marker=version_marker)
    fault_point("sweep.after_cursor")
    old_enough = datetime.now(UTC) - timedelta(seconds=event_seconds)
    _accept(backends, [each for each in stored if each.modified_at < old_enough])


def _wake_stalled(backends: Backends, stalled_seconds: float) -> None:
    """Ends imports that have not advanced for too long or whose file is gone; sends lost messages of others again."""
    with backends.database.transaction() as transaction:
        stalled = transaction.all(
            "stalled_imports",
            _StalledImport,
            limit=SWEEP_IMPORTS_MAX,
            seconds=stalled_seconds,
            abandoned_seconds=ABANDONED_SECONDS,
            lost_seconds=LOST_SECONDS,
        )
    running = [import_ for import_ in stalled if _may_continue(backends, import_)]
    messages_are_lost = bool(running) and _are_messages_lost(backends)
    for import_ in running:
        if import_.is_lost or messages_are_lost:
            _wake(backends, import_.id)


def _may_continue(backends: Backends, import_: _StalledImport) -> bool:
    """Ends an import that no message can help. Returns whether it still runs."""
    if import_.abandoned:
        message = "The import made no progress for a day. Retry it to continue."
        with backends.database.transaction() as transaction:
            imports.fail(transaction, import_.id, "stalled", message, retryable=True)
        return False
    try:
        backends.files.find(*import_.data_location)
    except FileUnavailable as error:
        with backends.database.transaction() as transaction:
            imports.fail_without_file(transaction, import_.id, error)
        return False
    return True


def _are_messages_lost(backends: Backends) -> bool:
    """Whether the queues have fewer messages than running imports need. Otherwise imports only wait for their turn.

    While messages are counted, others are sent and handled, so the smaller one of two numbers from the database counts.
    """
    before = _expected_messages(backends)
    chunks = backends.queues.count("chunks")
    uploads = backends.queues.count("uploads") + backends.queues.count("rewrites")
    after = _expected_messages(backends)
    return chunks < min(before.chunks, after.chunks) or uploads < min(before.uploads, after.uploads)


def _expected_messages(backends: Backends) -> _Expected:
    with backends.database.transaction() as transaction:
        return transaction.row("expected_messages", _Expected)


def _wake(backends: Backends, import_id: uuid.UUID) -> None:
    with backends.database.transaction() as transaction:
        transaction.run("send_again", id=import_id)
        transaction.log("stalled import woken", import_id=import_id, measured={"Repairs": 1})
        fault_point("sweep.before_wake_commit")
    fault_point("sweep.before_wake")
    window.wake_splitter(backends, import_id)


def _wake_stalled_bulk_deletes(backends: Backends, stalled_seconds: float) -> None:
    with backends.database.transaction() as transaction:
        woken = transaction.all(
            "wake_stalled_bulk_deletes", _Woken, seconds=stalled_seconds, limit=SWEEP_BULK_DELETES_MAX
        )
        for bulk_delete in woken:
            transaction.log("stalled bulk delete woken", bulk_delete_id=bulk_delete.id, measured={"Repairs": 1})
    fault_point("bulk_delete.before_wake")
    backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=bulk_delete.id) for bulk_delete in woken])


def _wake_stalled_exports(backends: Backends, stalled_seconds: float) -> None:
    with backends.database.transaction() as transaction:
        woken = transaction.all("wake_stalled_exports", _Woken, seconds=stalled_seconds, limit=SWEEP_EXPORTS_MAX)
        for export in woken:
            transaction.log("stalled export woken", export_id=export.id, measured={"Repairs": 1})
    fault_point("export.before_wake")
    backends.queues.send("exports", [ExportMessage(export=export.id) for export in woken])


def _measure_operations(backends: Backends) -> None:
    """Reports how many of all operation numbers are used. When they end, nothing can be changed. An alarm warns first.

    It is measured every minute, because the alarm sees the last hour only.
    """
    with backends.database.transaction() as transaction:
        percent = transaction.value("operation_numbers_used", float)
    log("operation numbers used", measured={"OperationNumbersUsedPercent": round(percent, 6)})


def _accept(backends: Backends, listed: Sequence[StoredFile]) -> None:
    for import_id in arrivals.accept_unknown(backends, backends.files.bucket, listed):
        log("upload without an event accepted", import_id=import_id, measured={"Repairs": 1})
