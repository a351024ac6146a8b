"""Delete everything: accepted in an instant, carried out in steps.

Accepting raises the floor: what was written before is gone for every reader and writer at once, and imports accepted
before can write no more. The rows themselves go later, in the order of their keys, a step a transaction; a killed step
is simply done again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from psycopg.rows import DictRow

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction
from chalicelib.errors import NotFound
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.limits import BULK_DELETE_STEP_ROWS, INVOCATION_RESERVE_SECONDS
from chalicelib.messages import BulkDeleteMessage
from chalicelib.telemetry import WARNING

RUNNING = ("pending", "processing")


def accept(backends: Backends) -> DictRow:
    """Deletes every product as far as anybody can see; the rows follow. Raises Transient."""
    with backends.database.transaction() as transaction:
        acceptance.close_barrier(transaction)
        operation = acceptance.next_operation(transaction)
        counted = transaction.one("count_products")
        assert counted is not None
        acceptance.raise_floor(transaction, operation)
        _end_older_imports(transaction, operation)
        accepted = transaction.one("add_bulk_delete", operation=operation, total=counted["total"])
        assert accepted is not None
        transaction.tell("bulk delete accepted", bulk_delete_id=accepted["id"], total=counted["total"])
        fault_point("bulk_delete.before_accept_commit")
    fault_point("bulk_delete.before_send")
    backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=accepted["id"])])
    return accepted


def get(transaction: Transaction, bulk_delete_id: uuid.UUID) -> DictRow:
    """One bulk delete. Raises NotFound."""
    found = transaction.one("find_bulk_delete", id=bulk_delete_id)
    if found is None:
        raise NotFound(f"there is no bulk delete {bulk_delete_id}")
    return found


def fail(transaction: Transaction, bulk_delete_id: uuid.UUID, code: str, message: str) -> None:
    """Ends a bulk delete with a reason, unless it has ended."""
    if transaction.run("fail_bulk_delete", id=bulk_delete_id, error_code=code, error_message=message):
        transaction.tell(
            "bulk delete failed",
            level=WARNING,
            bulk_delete_id=bulk_delete_id,
            code=code,
            reason=message,
            measured={"BulkDeletesFailed": 1},
        )


def carry_out(backends: Backends, bulk_delete_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Deletes rows step by step until none is left or time runs out; then a new message goes on. Raises Transient."""
    while _step(backends, bulk_delete_id):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            fault_point("bulk_delete.before_hand_over")
            backends.queues.send("bulk-deletes", [BulkDeleteMessage(bulk_delete=bulk_delete_id)])
            return


def _end_older_imports(transaction: Transaction, operation: int) -> None:
    """Running imports are cancelled; failed ones can no longer be retried: all they wrote is below the floor."""
    for older in transaction.all("older_imports", operation=operation):
        if older["status"] == "processing":
            imports.cancel_for_bulk_delete(transaction, older["id"])
        else:
            transaction.run("never_retry", id=older["id"])


def _step(backends: Backends, bulk_delete_id: uuid.UUID) -> bool:
    """One transaction. Returns whether there is more to do."""
    more = False  # Stays so when the step is rolled back, because another invocation does the same work.
    with backends.database.transaction() as transaction:
        more = _delete_some(transaction, bulk_delete_id)
    return more  # noqa: RET504


def _delete_some(transaction: Transaction, bulk_delete_id: uuid.UUID) -> bool:
    acceptance.enter(transaction)
    found = get(transaction, bulk_delete_id)
    if found["status"] not in RUNNING:
        return False
    gone = transaction.one(
        "delete_step", operation=found["operation"], last_key=found["last_key"], limit=BULK_DELETE_STEP_ROWS
    )
    assert gone is not None
    fault_point("bulk_delete.after_step")
    locked = transaction.one("lock_bulk_delete", id=bulk_delete_id)
    if locked is None or locked["last_key"] != found["last_key"] or locked["status"] not in RUNNING:
        raise RollBack
    last_key = gone["last_key"] or found["last_key"]
    # A row that somebody rewrote while we waited for its lock is not among the gone: only a look tells the end.
    is_last = gone["rows"] < BULK_DELETE_STEP_ROWS and not _any_left(transaction, found["operation"], last_key)
    advanced = transaction.one(
        "advance_bulk_delete",
        id=bulk_delete_id,
        status="completed" if is_last else "processing",
        products=gone["products"],
        last_key=last_key,
    )
    if is_last and advanced is not None:
        _record_event(transaction, advanced)
    transaction.tell(
        "bulk delete completed" if is_last else "bulk delete went on",
        bulk_delete_id=bulk_delete_id,
        measured={"ProductsDeleted": gone["products"]},
    )
    fault_point("bulk_delete.before_step_commit")
    return not is_last


def _any_left(transaction: Transaction, operation: int, last_key: str) -> bool:
    left = transaction.one("any_left_to_delete", operation=operation, last_key=last_key)
    return left is not None


def _record_event(transaction: Transaction, found: DictRow) -> None:
    told = {"id": str(found["id"]), "deleted": found["deleted"]}
    events.record(transaction, "products.bulk_deleted", str(found["id"]), told)
