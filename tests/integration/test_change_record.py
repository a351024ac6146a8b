"""The record of changes, compared with the catalogue before and after each operation."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.catalogue import bulk_deletes, change_record, products
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.pipeline import Pipeline

SHOWN = """
    select p.sku_key, p.id, p.sku, p.name, p.description, p.active from product p, barrier b
    where not p.deleted and p.version >= b.floor
"""
RECORDED = """
    select c.position, c.created, c.deleted, c.first_id, c.last_id, c.products,
           array(select sku_key from product_change p where p.position = c.position order by sku_key) as keys
    from catalogue_change c where c.position > %s order by c.position
"""
SKUS = [f"S{number}" for number in range(12)]
CHUNK_BYTES = 64
OPERATIONS = 60


class Recorded:
    """Runs operations, and compares what each one recorded with what it changed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.position = 0

    def shown(self) -> dict[str, dict[str, Any]]:
        return {row["sku_key"]: row for row in self.pipeline.sql(SHOWN)}

    def check(self, operate: Callable[[], object]) -> None:
        before = self.shown()
        operate()
        after = self.shown()
        rows = self.pipeline.sql(RECORDED, self.position)
        self.position = max([self.position, *(row["position"] for row in rows)])

        created = {row["id"] for row in after.values()} - {row["id"] for row in before.values()}
        in_ranges = {number for row in rows if row["first_id"] for number in range(row["first_id"], row["last_id"] + 1)}
        assert created <= in_ranges
        recorded = {key for row in rows for key in row["keys"]}
        stayed = {key for key in before.keys() & after.keys() if before[key] != after[key] and key not in recorded}
        assert {key for key in stayed if after[key]["id"] not in in_ranges} == set(), "a change was not recorded"
        assert recorded <= before.keys() | after.keys()
        assert all(row["products"] == len(row["keys"]) for row in rows)
        assert sum(row["created"] - row["deleted"] for row in rows) == len(after) - len(before)
        with self.pipeline.backends.database.transaction() as transaction:
            assert change_record.total(transaction) == len(after)


def a_file(draw: random.Random) -> bytes:
    rows = [f"{draw.choice(SKUS)},{draw.choice('xyz')},{draw.choice(['', 'yes', 'no'])}\n" for _ in range(20)]
    return b"sku,name,active\n" + "".join(rows).encode()


def edit_something(pipeline: Pipeline, draw: random.Random) -> None:
    """Creates, edits, renames or deletes a product."""
    found = pipeline.sql(f"{SHOWN} order by p.id")
    if not found or draw.random() < 0.3:
        try:
            products.create(pipeline.backends, Content(draw.choice(SKUS), "created"))
        except Conflict:
            return
        return
    product = draw.choice(found)["id"]
    kind = draw.choice(["name", "same", "rename", "delete"])
    try:
        if kind == "delete":
            products.delete(pipeline.backends, product)
        else:
            changes = {
                "name": Changes(name=draw.choice("xyz")),
                "same": Changes(),
                "rename": Changes(sku=draw.choice(SKUS)),
            }
            products.edit(pipeline.backends, product, changes[kind])
    except Conflict:
        return


def delete_everything(pipeline: Pipeline) -> None:
    bulk_deletes.accept(pipeline.backends)
    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message)


@pytest.mark.parametrize("seed", range(3))
def test_the_record_names_every_product_that_an_operation_changed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", CHUNK_BYTES)
    draw = random.Random(seed)
    recorded = Recorded(pipeline)
    for _ in range(OPERATIONS):
        kind = draw.choices(["import", "edit", "delete all"], [3, 12, 1])[0]
        if kind == "import":
            recorded.check(lambda: pipeline.run(a_file(draw)))
        elif kind == "edit":
            recorded.check(lambda: edit_something(pipeline, draw))
        else:
            recorded.check(lambda: delete_everything(pipeline))


@pytest.mark.parametrize("rows_known", [0, 20_000])
def test_an_import_that_changes_nothing_records_nothing(pipeline: Pipeline, rows_known: int) -> None:
    """Written by either statement: which one it is depends on the statistics."""
    content = b"sku,name\nA,x\nB,y\n"
    pipeline.run(content)
    before = pipeline.sql("select * from catalogue_change")
    pipeline.sql("update pg_class set reltuples = %s where oid = 'product'::regclass", rows_known)

    assert pipeline.run(content)["rows"]["unchanged"] == 2

    assert pipeline.sql("select * from catalogue_change") == before


def test_a_row_that_the_same_file_changed_before_is_recorded(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row counts as superseded, not as updated, but its content differs."""
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 5)
    pipeline.run(b"sku,name\nA,x\nA,y\n")

    assert [row["keys"] for row in pipeline.sql(RECORDED, 0)] == [[], ["a"]]
