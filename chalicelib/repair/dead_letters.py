"""What comes out of the dead-letter queues: work that failed at every try ends with a reason.

The locked state decides, not the message: a chunk that was done meanwhile, or an attempt that is over, changes nothing.
Of a bulk delete or an export there may be several messages: as long as one of them advances it, the death of another
changes nothing either. Should that one be lost, the sweep sends a new one; when that fails at every try too, nothing
has advanced in all that time, and its dead letter is the end. Alarms watch what failed: these queues are emptied.
"""

from __future__ import annotations

import uuid

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.catalogue import bulk_deletes
from chalicelib.exporting import exports
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.limits import ADVANCING_SECONDS
from chalicelib.messages import ChunkMessage


def fail_chunk(backends: Backends, message: ChunkMessage) -> None:
    """Ends the import of a chunk that could not be done. Raises Transient."""
    with backends.database.transaction() as transaction:
        chunk = transaction.one("lock_chunk", import_id=message.import_id, number=message.chunk)
        if chunk is None or chunk["done"]:
            return
        imports.fail(
            transaction,
            message.import_id,
            "chunk_failed",
            f"Part {message.chunk + 1} of the file could not be written after several tries, because of a fault on our"
            " side. Everything else that was written stays; retry the import to write the rest.",
            retryable=True,
            attempt=message.attempt,
        )
        fault_point("dead_letter.before_commit")


def fail_upload(backends: Backends, bucket: str, stored: StoredFile) -> None:
    """Ends the import of an object that could not be split. Raises Transient."""
    with backends.database.transaction() as transaction:
        import_id = imports.accept(transaction, bucket, stored)
    if import_id is not None:
        _fail_splitting(backends, import_id)


def fail_continuation(backends: Backends, import_id: uuid.UUID) -> None:
    """Ends an import whose splitting could not go on. Raises Transient."""
    _fail_splitting(backends, import_id)


def fail_bulk_delete(backends: Backends, bulk_delete_id: uuid.UUID) -> None:
    """Ends a bulk delete that nobody advances. What it deleted is invisible all the same. Raises Transient."""
    with backends.database.transaction() as transaction:
        if transaction.one("lock_idle_bulk_delete", id=bulk_delete_id, seconds=ADVANCING_SECONDS) is not None:
            message = "The products are deleted, but not all of their space is freed: a fault on our side."
            bulk_deletes.fail(transaction, bulk_delete_id, "delete_failed", message)


def fail_export(backends: Backends, export_id: uuid.UUID) -> None:
    """Ends an export that nobody advances. Raises Transient."""
    with backends.database.transaction() as transaction:
        if transaction.one("lock_idle_export", id=export_id, seconds=ADVANCING_SECONDS) is not None:
            message = "The products could not be exported after several tries: a fault on our side. Start a new export."
            exports.fail(transaction, export_id, "export_failed", message)


def _fail_splitting(backends: Backends, import_id: uuid.UUID) -> None:
    with backends.database.transaction() as transaction:
        found = imports.lock(transaction, import_id)
        if found["split_done"]:
            return
        imports.fail(
            transaction,
            import_id,
            "split_failed",
            "The file could not be read to its end after several tries, because of a fault on our side."
            " What was written stays; retry the import to go on.",
            retryable=True,
        )
