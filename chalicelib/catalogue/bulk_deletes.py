"""Deletes all products: accepted immediately, carried out in steps.

Accepting a bulk delete raises the floor. From then on no reader and no writer sees what was written before, and imports
that were accepted before can no longer write. The rows are removed afterwards in the order of their keys, one step a
transaction; a step that is killed is repeated.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction
from chalicelib.catalogue import change_record
from chalicelib.catalogue.jobs import Job
from chalicelib.errors import NotFound
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.importing.progress import percent_of
from chalicelib.limits import BULK_DELETE_STEP_ROWS, INVOCATION_RESERVE_SECONDS
from chalicelib.messages import BulkDeleteMessage
from chalicelib.telemetry import WARNING


@dataclass(frozen=True)
class BulkDelete(Job):
    """The state of a bulk delete."""

    operation: int
    total: int
    """Products that existed when it was accepted."""
    deleted: int
    """How many of them have been removed from the table so far. Those that were written again in between stay."""
    last_key: str
    """Rows are removed in the order of their keys, up to this one so far."""

    @property
    def percent(self) -> float:
        """How much is removed, with one decimal; 100 exactly when the bulk delete is completed."""
        return percent_of(self.status, self.deleted, self.total)


@dataclass(frozen=True)
class _OlderImport:
    id: uuid.UUID
    status: Literal["processing", "failed"]


@dataclass(frozen=True)
class _Removed:
    """What one step has removed: `rows` includes tombstones, `products` does not; `last_key` is None for no rows."""

    rows: int
    products: int
    last_key: str | None


def accept(backends: Backends) -> BulkDelete:
    """Hides all products immediately and queues the removal of their rows. Raises Transient."""
    with backends.database.transaction() as transaction:
        acceptance.close_barrier(transaction)
        operation = acceptance.next_operation(transaction)
        total = change_record.total(transaction)
        floor = acceptance.raise_floor(transaction, operation)
        change_record.add(transaction, floor, deleted=total)
        _end_older_imports(transaction, operation)
        accepted = transaction.row("add_bulk_delete", BulkDelete, operation=operation, total=total)
        transaction.log("bulk delete accepted", bulk_delete_id=accepted.id, total=total)
        fault_point("bulk_delete.before_accept_commit")
    fault_point("bulk_delete.before_send")
    backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=accepted.id)])
    return accepted


def get(transaction: Transaction, bulk_delete_id: uuid.UUID) -> BulkDelete:
    """Returns one bulk delete. Raises NotFound."""
    bulk_delete = transaction.one("find_bulk_delete", BulkDelete, id=bulk_delete_id)
    if bulk_delete is None:
        raise NotFound(f"there is no bulk delete {bulk_delete_id}")
    return bulk_delete


def count(transaction: Transaction) -> int:
    """Returns the number of bulk deletes."""
    return transaction.value("count_bulk_deletes", int)


def page(
    transaction: Transaction, limit: int, *, above: uuid.UUID | None = None, below: uuid.UUID | None = None
) -> list[BulkDelete]:
    """Returns up to `limit` bulk deletes, newest first: those next to an id, above or below it, or the newest."""
    if above is not None:
        return transaction.all("bulk_deletes_above", BulkDelete, above=above, limit=limit)[::-1]
    return transaction.all("bulk_deletes_below", BulkDelete, below=below, limit=limit)


def fail(transaction: Transaction, bulk_delete_id: uuid.UUID, code: str, message: str) -> None:
    """Ends a bulk delete with a reason, unless it has already ended."""
    if transaction.run("fail_bulk_delete", id=bulk_delete_id, error_code=code, error_message=message):
        transaction.log(
            "bulk delete failed",
            level=WARNING,
            bulk_delete_id=bulk_delete_id,
            code=code,
            reason=message,
            measured={"BulkDeletesFailed": 1},
        )


def carry_out(backends: Backends, bulk_delete_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Removes rows step by step until none are left, or hands over to a new message in time. Raises Transient."""
    while _take_step(backends, bulk_delete_id):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            fault_point("bulk_delete.before_hand_over")
            backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=bulk_delete_id)])
            return


def _end_older_imports(transaction: Transaction, operation: int) -> None:
    """Cancels running imports and makes failed ones impossible to retry: everything they wrote is below the floor."""
    for older in transaction.all("older_imports", _OlderImport, operation=operation):
        if older.status == "processing":
            imports.cancel_for_bulk_delete(transaction, older.id)
        else:
            transaction.run("never_retry", id=older.id)


def _take_step(backends: Backends, bulk_delete_id: uuid.UUID) -> bool:
    """Takes one step in one transaction. Returns whether there is more to do."""
    more = False  # Stays False when the step is rolled back, because another invocation does the same work.
    with backends.database.transaction() as transaction:
        more = _remove_some(transaction, bulk_delete_id)
    return more  # noqa: RET504


def _remove_some(transaction: Transaction, bulk_delete_id: uuid.UUID) -> bool:
    acceptance.enter(transaction)
    before = get(transaction, bulk_delete_id)
    if not before.is_running:
        return False
    removed = transaction.row(
        "delete_step", _Removed, operation=before.operation, last_key=before.last_key, limit=BULK_DELETE_STEP_ROWS
    )
    fault_point("bulk_delete.after_step")
    locked = transaction.one("lock_bulk_delete", BulkDelete, id=bulk_delete_id)
    if locked is None or locked.last_key != before.last_key or not locked.is_running:
        raise RollBack
    last_key = removed.last_key or before.last_key
    # A short step does not prove the end: rows that another user rewrote while we waited for their locks do not count.
    is_last = removed.rows < BULK_DELETE_STEP_ROWS and not transaction.exists(
        "any_left_to_delete", operation=before.operation, last_key=last_key
    )
    _advance(transaction, bulk_delete_id, removed, last_key, is_last=is_last)
    fault_point("bulk_delete.before_step_commit")
    return not is_last


def _advance(
    transaction: Transaction, bulk_delete_id: uuid.UUID, removed: _Removed, last_key: str, *, is_last: bool
) -> None:
    advanced = transaction.row(
        "advance_bulk_delete",
        BulkDelete,
        id=bulk_delete_id,
        status="completed" if is_last else "processing",
        products=removed.products,
        last_key=last_key,
    )
    if is_last:
        data = {"id": str(advanced.id), "deleted": advanced.deleted}
        events.record(transaction, "products.bulk_deleted", str(advanced.id), data)
    transaction.log(
        "bulk delete completed" if is_last else "bulk delete advanced",
        bulk_delete_id=bulk_delete_id,
        measured={"ProductsDeleted": removed.products},
    )
