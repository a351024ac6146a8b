"""The acceptance order: every operation that changes products has one place in one sequence.

The catalogue is what you would get if all operations had run one at a time in that sequence, and each import row by
row. It makes no difference in which order they really run, how often, and on how many machines. Five ideas ensure this:

- **Operation number.** An operation takes the next number when it is accepted: an import when its object is first seen
  in S3, an edit or delete after it has locked the rows that it writes, a bulk delete after it has closed the barrier.
- **Version.** The operation number in the upper bits and the line in the file in the lower ones (0 for an edit). Only
  functions of the database pack and unpack versions: `version_at`, `operation_of`, `line_of`. The existence of a
  product, its name, description and active switch each have their own version. A write wins a field only with a newer
  version, so work may be done late, twice or in any order.
- **Tombstone.** A delete is also a write: it leaves a row marked as deleted, with the version of the delete, so that an
  older import cannot bring the product back.
- **Floor.** A bulk delete raises the floor to its version. Rows below the floor do not exist for any reader or writer,
  whether or not they have been removed from the disk.
- **Barrier.** A one-row table that every writer locks first. Writers share the lock; a bulk delete takes it alone, so
  that no writer is half done when the floor rises. Accepting an import takes the lock as well.
"""

from __future__ import annotations

from chalicelib.backends.database import Transaction


def enter(transaction: Transaction) -> int:
    """Takes the barrier, shared with other writers; it is first in the lock order. Returns the floor, a version."""
    transaction.run("lock_barrier")
    return transaction.value("read_floor", int)


def close_barrier(transaction: Transaction) -> None:
    """Takes the barrier alone: waits for the writers that hold it, and makes later writers wait."""
    transaction.run("close_barrier")


def next_operation(transaction: Transaction) -> int:
    """Takes and returns the next operation number."""
    return transaction.value("next_operation", int)


def next_version(transaction: Transaction) -> int:
    """Takes the next operation number. Returns the version that an edit writes: this operation, without a line."""
    return transaction.value("next_version", int)


def raise_floor(transaction: Transaction, operation: int) -> int:
    """From now on, everything accepted before this operation counts as deleted. The barrier must be closed.

    Returns the new floor: the version of this operation.
    """
    return transaction.value("raise_floor", int, operation=operation)
