"""How many products there are: exactly and at any time for all of them, nearly for filters that many pass."""

from __future__ import annotations

import random
import statistics
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from chalicelib.backends import Backends, connect
from chalicelib.catalogue import bulk_deletes, change_record, products, search_index
from chalicelib.catalogue.listing import SORTS, Filters, Place, find
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict, NotFound
from chalicelib.fault_points import switched_on
from chalicelib.importing import upserting
from chalicelib.messages import ChunkMessage
from chalicelib.settings import settings
from tests.integration.killing import Killed
from tests.support import indexing
from tests.support.reads import rows_read

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

SKUS = [f"S{number}" for number in range(40)]
EXACT = "select count(*)::int from product p, barrier b where not p.deleted and p.version >= b.floor"
TOTAL = """
    select (t.total + coalesce((select sum(created - deleted) from catalogue_change where stage = 0), 0))::int
    from catalogue_total t
"""
WRITERS = 3
WRITES = 60
KILLED_EVERY = 5
POINTS = ("chunk.after_upsert", "chunk.before_commit", "indexing.before_commit", "bulk_delete.before_step_commit")


@pytest.fixture
def writers() -> Iterator[list[Backends]]:
    made = [connect(settings()) for _ in range(WRITERS + 1)]
    yield made
    for each in made:
        each.database.close()


def write(backends: Backends, draw: random.Random, chunks: list[ChunkMessage]) -> None:
    """Does one thing that changes the number of products, or not."""
    with backends.database.transaction() as transaction:
        found = find(transaction, Filters(), Place(SORTS["id"], 20)).products
    kind = draw.choices(["create", "rename", "edit", "delete", "chunk", "delete all"], [6, 3, 3, 3, 8, 1])[0]
    with suppress(Conflict, NotFound):
        if kind == "chunk":
            upserting.upsert_chunk(backends, draw.choice(chunks))
        elif kind == "delete all":
            bulk_deletes.carry_out(backends, bulk_deletes.accept(backends).id, lambda: 60.0)
        elif kind == "create" or not found:
            products.create(backends, Content(draw.choice(SKUS), "created"))
        elif kind == "delete":
            products.delete(backends, draw.choice(found).id)
        else:
            changes = Changes(sku=draw.choice(SKUS)) if kind == "rename" else Changes(name=draw.choice("xyz"))
            products.edit(backends, draw.choice(found).id, changes)


@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_all_products_is_exact_at_every_moment(
    pipeline: Pipeline, writers: list[Backends], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """While imports, edits, renames and bulk deletes run at once and are killed. The oracle counts in one snapshot."""
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 40)
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_CHANGES", 3)
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 3)
    done = threading.Event()
    compared = []
    chunks = waiting_chunks(pipeline, random.Random(seed))

    def compare() -> None:
        with psycopg.connect(pipeline.services.owner_conninfo, autocommit=True) as owner:
            while not done.is_set():
                row = owner.execute(f"select ({EXACT}), ({TOTAL})".encode()).fetchone()
                assert row is not None
                compared.append(row)

    def run(number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        for at in range(WRITES):
            if at % KILLED_EVERY == 0:
                killing.threads[threading.get_ident()] = draw.choice(POINTS)
            with suppress(Killed):
                if number == WRITERS:
                    search_index.index_products(writers[number].database, iter([60.0] * 3 + [0.0]).__next__)
                else:
                    write(writers[number], draw, chunks)
            if killing.threads.pop(threading.get_ident(), None):
                writers[number].database.close()

    killing = _KillingThreads()
    with switched_on(killing):
        threads = [threading.Thread(target=run, args=[number]) for number in range(WRITERS + 1)]
        watcher = threading.Thread(target=compare)
        for each in (watcher, *threads):
            each.start()
        for each in threads:
            each.join()
        done.set()
        watcher.join()

    assert len(compared) > WRITES
    assert [row for row in compared if row[0] != row[1]] == []
    indexing.fill(pipeline.backends)
    with pipeline.backends.database.transaction() as transaction:
        assert change_record.total(transaction) == pipeline.sql(EXACT)[0]["count"]
    assert pipeline.sql("select 1 from catalogue_change where stage < 2") == []


class _KillingThreads:
    """Kills each thread at the point that it has chosen, once."""

    def __init__(self) -> None:
        self.threads: dict[int, str] = {}

    def __call__(self, point: str) -> None:
        if self.threads.get(threading.get_ident()) == point:
            raise Killed


def waiting_chunks(pipeline: Pipeline, draw: random.Random) -> list[ChunkMessage]:
    """Splits two files. Returns the messages of their chunks."""
    for _ in range(2):
        rows = [f"{draw.choice(SKUS)},{draw.choice('xyz')}\n" for _ in range(30)]
        pipeline.upload(("sku,name\n" + "".join(rows)).encode())
        assert pipeline.split_next()
    pipeline.chunks()
    found = pipeline.sql("select import_id, number from chunk")
    return [ChunkMessage(import_id=uuid.UUID(str(row["import_id"])), chunk=row["number"], attempt=1) for row in found]


def test_the_number_of_products_is_not_counted(pipeline: Pipeline) -> None:
    """A list without filters reads the catalogue for its page only."""
    pipeline.run(b"sku,name\n" + b"".join(b"S%d,x\n" % number for number in range(3000)))
    indexing.fill(pipeline.backends)
    products.create(pipeline.backends, Content("new", "x"))

    before = rows_read(pipeline, "product")
    with pipeline.backends.database.transaction() as transaction:
        assert find(transaction, Filters(), Place(SORTS["id"], 10)).total == 3001
    assert rows_read(pipeline, "product") - before <= 50


# --- filters ------------------------------------------------------------------------------------------------------

FILTERS = 50
SEEDS = 20
MEAN_ERROR_MAX = 0.02
ERROR_MAX = 0.20
FILL = """
    insert into product (sku, sku_key, name, description, active,
                         version, name_version, description_version, active_version, content_version)
    select 'S' || n, 's' || n, array_to_string(array(
             select to_char(w, '"word"FM00"x"') from generate_series(1, %s) w
             where hashint4(n * 64 + w) & 65535 < 65536 * (0.006 + (w / 60.0) ^ 3)
           ), ' '), repeat('x', n %% 200), true, v, v, v, v, v
    from generate_series(1, %s) n, (select version_at(nextval('operation'), 1) as v) operation
"""
"""Each word has a share of the products, from one in 150 to half of them."""
PRODUCTS = 30_000


@pytest.mark.timeout(300)
def test_an_estimate_is_right_on_average_and_never_far_off(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters that one in 150 products passes, to those that nearly all pass; 20 samples for each."""
    pipeline.sql(FILL, FILTERS, PRODUCTS)
    pipeline.sql("update catalogue_total set total = %s", PRODUCTS)
    indexing.fill(pipeline.backends)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 250)
    errors = []
    for number in range(1, FILTERS + 1):
        word = f"word{number:02}x"
        (row,) = pipeline.sql("select count(*)::int from product where strpos(name, %s) > 0", word)
        errors.append(list(errors_of(pipeline, monkeypatch, word, row["count"])))

    assert abs(statistics.mean(statistics.mean(each) for each in errors if each)) <= MEAN_ERROR_MAX
    assert len([each for each in errors if each]) >= FILTERS // 2
    for each in errors:
        assert not each or sorted(map(abs, each))[int(0.95 * len(each)) - 1] <= ERROR_MAX


def errors_of(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, word: str, exact: int) -> Iterator[float]:
    """Yields the relative error of each estimate; an exact total has none."""
    for seed in range(SEEDS):
        monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_SEED", seed)
        with pipeline.backends.database.transaction() as transaction:
            found = find(transaction, Filters(name=word), Place(SORTS["id"], 1))
        if found.total_is_estimate:
            yield found.total / exact - 1
        else:
            assert found.total == exact
