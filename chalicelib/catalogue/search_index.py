"""Fills the copy of the catalogue that lists are filtered by, behind the backs of those who write products.

Edits by hand are noted in their transactions, and searched beside the copy until they are in it. An import is not noted
product by product: as long as its products are not in the copy, lists read the catalogue itself, which is slower but
never wrong. Copying stands still while an import runs, and goes on, or begins anew, when it has ended.

Everything is done in short steps, each a transaction; a step that is killed is done again.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.backends.database import Database, Transaction
from chalicelib.fault_points import fault_point
from chalicelib.limits import INDEX_STEP_BYTES, INDEX_STEP_ROWS, INVOCATION_RESERVE_SECONDS


def note(transaction: Transaction, key: str, version: int, shown_change: int = 0) -> None:
    """Notes an edit. `shown_change` is 1 for a product that appeared under the key, -1 for one that vanished."""
    transaction.run("note_edit", key=key, version=version, shown_change=shown_change)


def index_products(database: Database, seconds_left: Callable[[], float]) -> None:
    """Copies until everything is in, an import runs, or time runs out; the next call goes on. Raises Transient."""
    while seconds_left() > INVOCATION_RESERVE_SECONDS and _step(database):
        fault_point("indexing.between_steps")


def _step(database: Database) -> bool:
    """One step. Returns whether there may be more to do."""
    with database.transaction() as transaction:
        state = transaction.one("lock_search_state")
        if state is None:
            return False  # Somebody else is at it.
        edits = transaction.one("index_edits", limit=INDEX_STEP_ROWS)
        if edits is not None and edits["edits"] == INDEX_STEP_ROWS:
            return True
        running = transaction.one("is_import_running")
        if running is not None and running["running"]:
            return False
        if state["after_key"] is None:
            return transaction.run("begin_indexing") == 1
        return _copy(transaction, state["after_key"])


def _copy(transaction: Transaction, after: str) -> bool:
    copied = transaction.one("index_range", after=after, rows=INDEX_STEP_ROWS, bytes=INDEX_STEP_BYTES)
    fault_point("indexing.after_range")
    if copied is not None and copied["last_key"] is not None:
        transaction.run("advance_indexing", after=copied["last_key"])
        return True
    transaction.run("sort_in_product_search")
    transaction.run("end_indexing")
    fault_point("indexing.before_end_commit")
    return True
