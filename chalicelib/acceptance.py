"""The acceptance order: every operation that changes products has one place in one sequence.

The catalogue is what you would get if all operations had run one at a time in that sequence, and inside an import row
by row. The order in which they really run, how often, and on how many machines makes no difference. Five ideas do it:

- **Operation number.** An operation takes the next number when it is accepted: an import when its object is first seen
  in S3, an edit or delete after it has locked the rows that it writes, a bulk delete after it has closed the barrier.
- **Version.** The operation number in the upper bits and the line in the file in the lower 32 (0 for an edit). The
  existence of a product, its name, description and active switch each have their own version. A write wins a field
  only with a newer version, so work may be done late, twice or in any order.
- **Tombstone.** A delete is a write, too: it leaves a row that says "deleted" with the version of the delete, so that
  an older import cannot bring the product back.
- **Floor.** A bulk delete raises the floor to its version. Rows below it do not exist for any reader or writer,
  whether or not they are gone from the disk.
- **Barrier.** A one-row table, locked first by everyone. Writers share it; a bulk delete takes it alone, so that no
  writer is half-way while the floor rises. Accepting an import takes it, too.
"""

from __future__ import annotations

from chalicelib.backends.database import Transaction

LINE_BITS = 32
"""The lower bits of a version hold the line. `version_of` in SQL is the same packing."""


def enter(transaction: Transaction) -> int:
    """Takes the barrier together with other writers, first in the order of locks. Returns the floor, a version."""
    transaction.run("lock_barrier")
    return transaction.value("read_floor", int)


def close_barrier(transaction: Transaction) -> None:
    """Takes the barrier alone: waits for the writers that hold it, and makes later ones wait."""
    transaction.run("close_barrier")


def next_operation(transaction: Transaction) -> int:
    """The next operation number."""
    return transaction.value("next_operation", int)


def raise_floor(transaction: Transaction, operation: int) -> None:
    """From now on everything accepted before this operation counts as deleted. The barrier must be closed."""
    transaction.run("raise_floor", operation=operation)


def version_of(operation: int, line: int = 0) -> int:
    """The version that a line of an operation writes; line 0 is an edit."""
    return (operation << LINE_BITS) + line


def operation_of(version: int) -> int:
    """The operation that wrote a version."""
    return version >> LINE_BITS


def line_of(version: int) -> int:
    """The line of the file that a version was written by; 0 for an edit."""
    return version & ((1 << LINE_BITS) - 1)
