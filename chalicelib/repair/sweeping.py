"""Every minute: repair what was lost. Nothing depends on a message arriving, because this looks at the state itself.

Each step is limited; what one sweep leaves, the next one finds. Steps do not depend on each other's success.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from psycopg.rows import DictRow

from chalicelib.access import idempotency
from chalicelib.backends import Backends
from chalicelib.backends.file_store import FileGone, StoredFile
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.limits import (
    ABANDONED_SECONDS,
    EVENTS_KEPT_DAYS,
    STALLED_SECONDS,
    SWEEP_BULK_DELETES_MAX,
    SWEEP_EVENT_SECONDS,
    SWEEP_EVENTS_MAX,
    SWEEP_EXPORTS_MAX,
    SWEEP_IMPORTS_MAX,
    SWEEP_LIST_VERSIONS_MAX,
    SWEEP_TOMBSTONES_MAX,
    TOMBSTONE_SECONDS_MIN,
    UPLOAD_GRACE_SECONDS,
)
from chalicelib.messages import BulkDeleteMessage, ExportMessage, UploadMessage
from chalicelib.telemetry import tell
from chalicelib.webhooks import attempts, relay


def sweep(
    backends: Backends, *, stalled_seconds: float = STALLED_SECONDS, event_seconds: float = SWEEP_EVENT_SECONDS
) -> None:
    """One round of repairs. The waits are parameters for tests. Raises Transient."""
    _accept_lost_uploads(backends)
    _accept_dropped_files(backends, event_seconds)
    _wake_stalled(backends, stalled_seconds)
    _wake_stalled_bulk_deletes(backends, stalled_seconds)
    _wake_stalled_exports(backends, stalled_seconds)
    _purge_tombstones(backends)
    idempotency.prune(backends.database)
    relay.wake_lost(backends.database, backends.queues)
    attempts.wake_due(backends.database, backends.queues)
    _prune_events(backends)


def _accept_lost_uploads(backends: Backends) -> None:
    """Registered uploads that are in S3 though no event came; and those that will never be made."""
    for found in _batch(backends, "pending_imports"):
        try:
            stored = backends.files.find(found["object_key"])
        except FileGone:
            if found["overdue"]:
                _fail(
                    backends,
                    found["id"],
                    "upload_expired",
                    "The file was not uploaded before its link expired. Start again with a new upload.",
                )
            continue
        _accept(backends, stored)


def _accept_dropped_files(backends: Backends, event_seconds: float) -> None:
    """Objects under the uploads prefix that no import knows: their event was lost. One page of the listing a time."""
    with backends.database.transaction() as transaction:
        cursor = transaction.one("read_sweep_cursor")
    assert cursor is not None
    stored, key_marker, version_marker = backends.files.list_versions(
        imports.UPLOADS_PREFIX, SWEEP_LIST_VERSIONS_MAX, cursor["key_marker"], cursor["version_marker"]
    )
    old_enough = datetime.now(UTC) - timedelta(seconds=event_seconds)
    candidates = [each for each in stored if each.modified_at < old_enough]
    with backends.database.transaction() as transaction:
        known = transaction.all(
            "known_objects",
            bucket=backends.files.bucket,
            keys=[each.key for each in candidates],
            versions=[each.version for each in candidates],
        )
        transaction.run("move_sweep_cursor", key_marker=key_marker, version_marker=version_marker)
    fault_point("sweep.after_cursor")
    seen = {(each["object_key"], each["object_version"]) for each in known}
    # The oldest first, as they would have come: later files win. S3 tells whole seconds, and lists a key's last version
    # first.
    candidates.reverse()
    for each in sorted(candidates, key=lambda each: (each.modified_at, each.key)):
        if (each.key, each.version) not in seen:
            _accept(backends, each)


def _wake_stalled(backends: Backends, stalled_seconds: float) -> None:
    """Imports that have not advanced for a while: their messages are sent again, or they end if that cannot help."""
    for found in _batch(backends, "stalled_imports", seconds=stalled_seconds, abandoned_seconds=ABANDONED_SECONDS):
        if found["abandoned"]:
            _fail(backends, found["id"], "stalled", "The import made no progress for a day.", retryable=True)
            continue
        try:
            backends.files.find(
                found["data_key"] or found["object_key"], found["data_version"] or found["object_version"]
            )
        except FileGone:
            message = "The uploaded file was removed before it was read to its end. Upload it again."
            _fail(backends, found["id"], "file_gone", message)
            continue
        with backends.database.transaction() as transaction:
            transaction.run("unsend_chunks", import_id=found["id"])
            transaction.run("note_wake_up", id=found["id"])
            transaction.tell("import stood still, and was woken", import_id=found["id"], measured={"Repairs": 1})
            fault_point("sweep.after_unsend")
        fault_point("sweep.before_wake")
        backends.queues.send("uploads", [UploadMessage(continue_import=found["id"])])


def _wake_stalled_bulk_deletes(backends: Backends, stalled_seconds: float) -> None:
    with backends.database.transaction() as transaction:
        stalled = transaction.all("wake_stalled_bulk_deletes", seconds=stalled_seconds, limit=SWEEP_BULK_DELETES_MAX)
        for found in stalled:
            transaction.tell(
                "bulk delete stood still, and was woken", bulk_delete_id=found["id"], measured={"Repairs": 1}
            )
    fault_point("bulk_delete.before_wake")
    backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=found["id"]) for found in stalled])


def _wake_stalled_exports(backends: Backends, stalled_seconds: float) -> None:
    with backends.database.transaction() as transaction:
        stalled = transaction.all("wake_stalled_exports", seconds=stalled_seconds, limit=SWEEP_EXPORTS_MAX)
        for found in stalled:
            transaction.tell("export stood still, and was woken", export_id=found["id"], measured={"Repairs": 1})
    fault_point("export.before_wake")
    backends.queues.send("exports", [ExportMessage(export=found["id"]) for found in stalled])


def _purge_tombstones(backends: Backends) -> None:
    """Tombstones that no running or retryable import can need any more."""
    with backends.database.transaction() as transaction:
        transaction.run("purge_tombstones", age_seconds=TOMBSTONE_SECONDS_MIN, limit=SWEEP_TOMBSTONES_MAX)


def _prune_events(backends: Backends) -> None:
    """Events that are old, with the log of their deliveries."""
    with backends.database.transaction() as transaction:
        transaction.run("prune_events", days=EVENTS_KEPT_DAYS, limit=SWEEP_EVENTS_MAX)


def _accept(backends: Backends, stored: StoredFile) -> None:
    with backends.database.transaction() as transaction:
        import_id = imports.accept(transaction, backends.files.bucket, stored)
    fault_point("sweep.after_accept")
    if import_id is not None:
        tell("an upload was found that no event told of", import_id=import_id, measured={"Repairs": 1})
        backends.queues.send("uploads", [UploadMessage(continue_import=import_id)])


def _batch(backends: Backends, name: str, **parameters: float) -> list[DictRow]:
    with backends.database.transaction() as transaction:
        return transaction.all(name, limit=SWEEP_IMPORTS_MAX, grace_seconds=UPLOAD_GRACE_SECONDS, **parameters)


def _fail(backends: Backends, import_id: uuid.UUID, code: str, message: str, *, retryable: bool = False) -> None:
    with backends.database.transaction() as transaction:
        imports.fail(transaction, import_id, code, message, retryable=retryable)
