"""What comes out of the dead-letter queues: work that failed at every try ends its import with a reason.

The import's locked state decides, not the message: a chunk that was done meanwhile, or an attempt that is over, changes
nothing. Alarms watch failed imports, because these queues are emptied.
"""

from __future__ import annotations

import uuid

from chalicelib import imports
from chalicelib.backends import Backends
from chalicelib.faults import fault_point
from chalicelib.files import StoredFile
from chalicelib.upserting import ChunkMessage


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
