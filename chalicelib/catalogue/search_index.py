"""Fills the search index: a table of lower-cased products with trigram indexes, for the filters of lists.

Writers never wait for it. An edit is noted in its own transaction, and lists search the noted edits as well until they
are in the index. An import is not noted product by product: until its products are in the index, lists search the
catalogue itself, which is slower but always right. Indexing pauses while an import runs. When the import has ended, it
continues, or starts again from the first key.

All work is done in short steps, one transaction each; a step that is killed is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.backends.database import Database, Transaction
from chalicelib.fault_points import fault_point
from chalicelib.limits import INDEX_STEP_BYTES, INDEX_STEP_ROWS, INVOCATION_RESERVE_SECONDS


@dataclass(frozen=True)
class _State:
    """Where indexing is: the last key that it has passed, or None when no pass is under way."""

    after_key: str | None


@dataclass(frozen=True)
class _Range:
    """A range of keys that has been indexed, up to `last_key`; None at the end of the catalogue."""

    last_key: str | None


def note(transaction: Transaction, key: str, version: int, shown_change: int = 0) -> None:
    """Notes an edit. `shown_change` is 1 for a product that appeared under the key, -1 for one that disappeared."""
    transaction.run("note_edit", key=key, version=version, shown_change=shown_change)


def index_products(database: Database, seconds_left: Callable[[], float]) -> None:
    """Indexes until everything is indexed, an import runs, or time runs out; the next call continues.

    Raises Transient.
    """
    while seconds_left() > INVOCATION_RESERVE_SECONDS and _take_step(database):
        fault_point("indexing.between_steps")


def _take_step(database: Database) -> bool:
    """Takes one step. Returns whether there may be more to do."""
    with database.transaction() as transaction:
        state = transaction.one("lock_search_state", _State)
        if state is None:
            return False  # Another invocation is indexing.
        if transaction.value("index_edits", int, limit=INDEX_STEP_ROWS) == INDEX_STEP_ROWS:
            return True
        if transaction.value("is_import_running", bool):
            return False
        if state.after_key is None:
            return transaction.run("begin_indexing") == 1
        return _index_range(transaction, state.after_key)


def _index_range(transaction: Transaction, after: str) -> bool:
    indexed = transaction.row("index_range", _Range, after=after, rows=INDEX_STEP_ROWS, bytes=INDEX_STEP_BYTES)
    fault_point("indexing.after_range")
    if indexed.last_key is not None:
        transaction.run("advance_indexing", after=indexed.last_key)
        return True
    transaction.run("sort_in_product_search")
    transaction.run("end_indexing")
    fault_point("indexing.before_end_commit")
    return True
