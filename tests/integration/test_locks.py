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

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

LOCK_TIMEOUT = "100ms"
REFERENCED = ("import", "export", "webhook")
"""Tables that foreign keys refer to and whose rows are locked by a query."""


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


def test_every_referenced_table_whose_rows_are_locked_is_tried(pipeline: Pipeline) -> None:
    referenced = {
        row["name"]
        for row in pipeline.sql(
            "select distinct confrelid::regclass::text as name from pg_constraint where contype = 'f'"
        )
    }
    locking = [text for text in queries().values() if re.search(r"for (no key )?update(?! skip locked)", text)]
    locked = {name for name in referenced for text in locking if re.search(rf"\b(?:from|join|update) {name}\b", text)}
    assert locked == set(REFERENCED)
