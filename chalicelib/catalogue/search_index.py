"""Fills the search index: a table of folded products with trigram indexes, for the filters of lists.

Writers never wait for it. Every transaction that changes products also writes the record of changes, and this module
copies what the record names: so the cost follows the change. Lists search the part of the record that is not copied
yet as well, so they are right at every moment. Only a new index is filled by a walk over the whole catalogue; a bulk
delete is followed by another walk, which removes its products from the index.

All work is done in short steps, one transaction each; a step that is killed is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from chalicelib.backends import CHANGES_QUEUE, Backends
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.queues import Queues
from chalicelib.fault_points import fault_point
from chalicelib.limits import (
    INDEX_AGAIN_SECONDS,
    INDEX_SMALL_ROWS,
    INDEX_STEP_BYTES,
    INDEX_STEP_CHANGES,
    INDEX_STEP_ROWS,
    INDEX_WAIT_SECONDS_MAX,
    INVOCATION_RESERVE_SECONDS,
)
from chalicelib.telemetry import ERROR


@dataclass(frozen=True)
class _State:
    """Where indexing is; see the query `lock_search_state`."""

    begun: bool
    at_position: int
    at_key: str
    at_id: int
    after_key: str | None


@dataclass(frozen=True)
class _Changed:
    """Up to which key of which change products were copied."""

    at_position: int
    at_key: str
    wrong_keys: int
    """Products that were read, and whose key is not that of their SKU."""


@dataclass(frozen=True)
class _Created:
    """Up to which id created products were copied; None when none were left."""

    at_id: int | None
    wrong_keys: int


@dataclass(frozen=True)
class _Range:
    """A range of keys that the walk has passed, up to `last_key`; None at the end of the catalogue."""

    last_key: str | None
    wrong_keys: int


def index_changes(backends: Backends, seconds_left: Callable[[], float]) -> None:
    """Indexes what changed. If time runs out, or changes wait for others, a message continues. Raises Transient."""
    if index_products(backends.database, seconds_left):
        backends.queues.wake(CHANGES_QUEUE)
    elif _any_unindexed(backends.database):
        backends.queues.wake(CHANGES_QUEUE, delay_seconds=INDEX_AGAIN_SECONDS)


def index_products(database: Database, seconds_left: Callable[[], float]) -> bool:
    """Indexes until there is nothing to do now, or time runs out. Returns whether time ran out. Raises Transient."""
    while seconds_left() > INVOCATION_RESERVE_SECONDS:
        # The record comes first each time, but a walk continues, too, however many changes there are.
        if not (any([_take_step(database, _copy), _take_step(database, _walk)]) or _take_step(database, _prune)):
            return False
        fault_point("indexing.between_steps")
    return True


def wake_lost(database: Database, queues: Queues) -> None:
    """For the sweep: wakes indexing if there is anything to do."""
    if _any_unindexed(database):
        queues.wake(CHANGES_QUEUE)


def _any_unindexed(database: Database) -> bool:
    with database.transaction() as transaction:
        return transaction.exists("any_unindexed")


def _take_step(database: Database, step: Callable[[Transaction, _State], bool]) -> bool:
    """Takes a step in a transaction, as the only invocation. Returns whether there may be more to do."""
    with database.transaction() as transaction:
        state = transaction.row("lock_search_state", _State)
        more = step(transaction, state) if state.begun else transaction.run("begin_index") == 1
        fault_point("indexing.before_commit")
    return more


def _copy(transaction: Transaction, state: _State) -> bool:
    """Copies the next products of the record. Returns whether there were any."""
    if not transaction.exists("any_being_copied"):
        return _choose(transaction)
    limits = {"rows": INDEX_STEP_ROWS, "bytes": INDEX_STEP_BYTES}
    transaction.run("lock_in_order")  # Nested loops over indexes: they read no more than the rows that are copied.
    changed = transaction.one("copy_changed", _Changed, **limits)
    if changed is not None:
        _report_wrong_keys(transaction, changed.wrong_keys)
        transaction.run("advance_copying", **asdict(changed), at_id=state.at_id)
        return True
    created = transaction.row("copy_created", _Created, **limits)
    if created.at_id is not None:
        _report_wrong_keys(transaction, created.wrong_keys)
        transaction.run("advance_copying", at_position=state.at_position, at_key=state.at_key, at_id=created.at_id)
        return True
    transaction.run("sort_in_product_search")
    transaction.run("end_copying")
    return True


def _report_wrong_keys(transaction: Transaction, products: int) -> None:
    """Only the statements that write products keep keys right, so each product that is read is checked."""
    if products:
        transaction.log("products with wrong keys", level=ERROR, measured={"WrongSkuKeys": products})


def _choose(transaction: Transaction) -> bool:
    """Chooses the next changes to copy. Returns whether there are any."""
    limits = {"changes": INDEX_STEP_CHANGES, "small": INDEX_SMALL_ROWS, "seconds": INDEX_WAIT_SECONDS_MAX}
    return transaction.value("choose_changes", int, **limits) > 0


def _walk(transaction: Transaction, state: _State) -> bool:
    """Walks over the next products, if a walk is under way or due. Returns whether there may be more."""
    if state.after_key is None:
        return transaction.run("begin_walk") == 1
    passed = transaction.row("index_range", _Range, after=state.after_key, rows=INDEX_STEP_ROWS, bytes=INDEX_STEP_BYTES)
    fault_point("indexing.after_range")
    _report_wrong_keys(transaction, passed.wrong_keys)
    if passed.last_key is not None:
        transaction.run("advance_walk", after=passed.last_key)
        return True
    transaction.run("sort_in_product_search")
    transaction.run("end_walk")
    return True


def _prune(transaction: Transaction, _state: _State) -> bool:
    """Deletes changes that nothing needs any longer. Returns whether there were any."""
    return transaction.run("prune_changes", changes=INDEX_STEP_CHANGES, rows=INDEX_STEP_ROWS) > 0
