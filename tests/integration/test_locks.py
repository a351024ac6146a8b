"""A row is locked so that foreign keys to it still fit beside the lock.

A foreign key takes FOR KEY SHARE on the row that it refers to. FOR UPDATE conflicts with that: whoever holds the share
and then asks for the same lock deadlocks with the one who waits for it. FOR NO KEY UPDATE excludes the same writers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib.sql import queries
from tests.support.row_locks import CHILDLESS, RowLock, Strength, described, faults, locks_of_queries

if TYPE_CHECKING:
    from infra.local.testing import Services
    from tests.support.pipeline import Pipeline

LOCK_TIMEOUT = "100ms"
LOCKED_IN_ORDER_OTHERWISE = {
    "merge_incoming",  # by the plan, see test_orders
    "upsert_incoming",  # by the order of its rows
    "copy_changed",  # one invocation at a time: product_search_state
    "copy_created",
    "index_range",
    "choose_changes",
    "end_copying",
    "prune_changes",
    "remove_rejected_rows",  # rows that the same transaction has added
    "remove_all_rejected_rows",  # nothing else locks the rows of an import that has ended
    "relay_events",  # one invocation at a time: relay_state
}


def _rows(pipeline: Pipeline) -> dict[str, Any]:
    """The id of one row of each table; the import is processing, and its operation is the first."""
    import_id = pipeline.upload(b"sku,name\nA,a\n")
    pipeline.split_next()
    export = pipeline.call("POST", "/exports", {})
    webhook = pipeline.call("POST", "/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["*"]})
    return {"import": import_id, "export": export.json["id"], "webhook": webhook.json["id"]}


@pytest.mark.parametrize(
    ("table", "query", "parameters"),
    [
        ("import", "lock_import", {}),
        ("import", "older_imports", {"operation": 2**31}),
        ("export", "lock_idle_export", {"seconds": 0}),
        ("webhook", "lock_webhook", {}),
    ],
)
def test_a_lock_fits_beside_a_foreign_key(
    pipeline: Pipeline, table: str, query: str, parameters: dict[str, Any]
) -> None:
    row = _rows(pipeline)[table]
    owner = pipeline.services.owner_conninfo
    with psycopg.connect(owner) as referring, psycopg.connect(owner) as locking:
        referring.execute(f"select from {table} where id = %s for key share".encode(), [row])
        locking.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'".encode())
        found = locking.execute(queries()[query], {"id": row, **parameters}).fetchall()
        assert len(found) == 1


def test_only_queries_that_delete_rows_lock_referenced_ones_for_update(services: Services) -> None:
    with psycopg.connect(services.owner_conninfo) as connection:
        locks = locks_of_queries(connection)
        constraints = connection.execute("select confrelid::regclass::text from pg_constraint where contype = 'f'")
        referenced = {str(table) for (table,) in constraints}
    for name, found in locks.items():
        strongly = {lock.table for lock in found if lock.strength == Strength.UPDATE} & referenced
        text = queries()[name]
        assert not strongly or re.search(r"delete from|skip locked|lock table", text), f"{name} locks {strongly}"


def test_the_documented_row_locks_are_those_of_the_queries(services: Services) -> None:
    with psycopg.connect(services.owner_conninfo) as connection:
        locks = locks_of_queries(connection)
    for table, documented in described().items():
        locking = {name for name, found in locks.items() if RowLock(table, Strength.NO_KEY_UPDATE) in found}
        locking |= {name for name, found in locks.items() if RowLock(table, Strength.UPDATE) in found}
        sharing = {name for name, found in locks.items() if RowLock(table, Strength.KEY_SHARE) in found}
        assert documented.one | documented.in_order | documented.skipping == locking, table
        assert documented.shared == sharing, table
    locked = {lock.table for found in locks.values() for lock in found if lock.strength > Strength.NEW}
    assert locked == set(described())


def test_queries_that_lock_several_rows_order_or_skip_them() -> None:
    for table, documented in described().items():
        for name in documented.skipping:
            assert "skip locked" in queries()[name], name
        for name in documented.in_order - LOCKED_IN_ORDER_OTHERWISE:
            assert re.search(r"order by .*for (no key )?update", queries()[name], re.DOTALL), f"{name}, for {table}"


def test_a_query_that_locks_no_children_deletes_only_rows_without_any(services: Services) -> None:
    with psycopg.connect(services.owner_conninfo) as connection:
        found = connection.execute(
            "select confrelid::regclass::text, conrelid::regclass::text from pg_constraint where contype = 'f'"
        ).fetchall()
    for name in CHILDLESS:
        text = queries()[name]
        children = [child for parent, child in found if f"delete from {parent} " in text]
        assert children, name
        assert all(f"and not exists (select from {child} " in text for child in children), name


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (("lock_import", "lock_chunk"), "lock_chunk locks chunk after import"),
        (("add_export_part", "lock_exports"), "lock_exports strengthens a lock of export"),
        (("lock_chunk", "merge_incoming", "add_rejected_rows", "lock_import", "add_event"), ""),
    ],
)
def test_a_transaction_that_may_deadlock_is_found(services: Services, names: tuple[str, ...], fault: str) -> None:
    with psycopg.connect(services.owner_conninfo) as connection:
        found = faults([names], locks_of_queries(connection))
    assert [each.split(",")[0] for each in found] == ([fault] if fault else [])
