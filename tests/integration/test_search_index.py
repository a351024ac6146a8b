"""The search index: when lists use it, what it contains, and what interrupts indexing."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from chalicelib.backends import connect, migrations
from chalicelib.backends.database import Database, Transaction
from chalicelib.catalogue import bulk_deletes, change_record, products, search_index
from chalicelib.catalogue.listing import SORTS, Filters, Place, find
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict
from chalicelib.fault_points import switched_on
from chalicelib.limits import INVOCATION_RESERVE_SECONDS
from chalicelib.messages import ChangesMessage
from chalicelib.repair import sweeping
from chalicelib.settings import settings
from chalicelib.sql import query
from tests.integration.killing import killed_at
from tests.integration.query_plan import explained
from tests.support import indexing
from tests.support.reads import rows_read

if TYPE_CHECKING:
    from infra.local.testing import Services
    from tests.support.pipeline import Pipeline

CATALOGUE = "sku,name,description\n" + "".join(f"S{number},Lamp {number},warm light\n" for number in range(30))


def total(pipeline: Pipeline, query: str = "") -> int:
    answer = pipeline.call("GET", f"/products?{query}")
    assert answer.status == 200, answer.body
    return int(answer.json["total"])


def is_current(pipeline: Pipeline) -> bool:
    state = pipeline.call("GET", "/products").json["search_index"]
    assert state in {"current", "behind"}
    return bool(state == "current")


def indexed(pipeline: Pipeline) -> dict[str, tuple[str, str, bool]]:
    rows = pipeline.sql("select * from product_search")
    return {row["sku_key"]: (row["name"], row["description"], row["active"]) for row in rows}


def lower_cased(pipeline: Pipeline) -> dict[str, tuple[str, str, bool]]:
    """What the index should contain. For ASCII, Python's lower() does the same as folding."""
    return {
        key: (name.lower(), description.lower(), active)
        for key, (_, name, description, active) in pipeline.products().items()
    }


def test_an_import_is_found_before_and_after_it_is_indexed(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    assert not is_current(pipeline)
    assert total(pipeline, "name=LAMP+2") == 11, "lists search the catalogue itself until then"

    indexing.fill(pipeline.backends)

    assert is_current(pipeline)
    assert indexed(pipeline) == lower_cased(pipeline)
    assert total(pipeline, "name=LAMP+2") == 11


def test_indexing_a_later_import_writes_only_what_differs(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    indexing.fill(pipeline.backends)
    written = {row["sku_key"]: row["xmin"] for row in pipeline.sql("select sku_key, xmin::text from product_search")}

    pipeline.run(b"sku,name,description\nS1,Lamp 1,cold light\nS2,Lamp 2,warm light\nS99,Kettle,\n")
    indexing.fill(pipeline.backends)

    assert indexed(pipeline) == lower_cased(pipeline)
    again = {row["sku_key"]: row["xmin"] for row in pipeline.sql("select sku_key, xmin::text from product_search")}
    assert {key for key, xmin in again.items() if written.get(key) != xmin} == {"s1", "s99"}


def test_edits_are_found_before_they_are_indexed(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    indexing.fill(pipeline.backends)
    ids = {row["sku"]: row["id"] for row in pipeline.sql("select sku, id from product")}

    products.create(pipeline.backends, Content("new", "Lantern"))
    products.edit(pipeline.backends, ids["S1"], Changes(name="Lantern too"))
    products.edit(pipeline.backends, ids["S2"], Changes(sku="moved", name="Lantern as well"))
    products.delete(pipeline.backends, ids["S3"])

    assert is_current(pipeline)
    for _ in range(2):
        assert total(pipeline) == 30
        assert total(pipeline, "name=lantern") == 3
        assert total(pipeline, "sku=moved") == 1
        assert total(pipeline, "name=lamp") == 27
        indexing.fill(pipeline.backends)
    assert pipeline.sql("select * from catalogue_change") == pipeline.sql("select * from product_change") == []
    assert indexed(pipeline) == lower_cased(pipeline)


def test_with_too_many_changes_beside_it_the_index_is_not_used(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexing.fill(pipeline.backends)
    for number in range(4):
        products.create(pipeline.backends, Content(str(number), "x"))
    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_CHANGES_MAX", 3)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert not any("product_search s where true" in each for each in seen)

    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_CHANGES_MAX", 4)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert any("product_search s where true" in each for each in seen)


def test_a_running_import_does_not_stop_indexing(pipeline: Pipeline) -> None:
    indexing.fill(pipeline.backends)
    pipeline.upload(CATALOGUE.encode())
    assert pipeline.split_next()
    pipeline.upload(b"sku,name\nS1,Lamp one\n")
    assert pipeline.split_next()
    first, _ = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)

    indexing.fill(pipeline.backends)

    assert pipeline.sql("select 1 from import where status = 'processing'")
    assert is_current(pipeline)
    assert indexed(pipeline) == lower_cased(pipeline) != {}


def test_products_imported_during_a_pass_are_indexed_by_another_pass(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())
    search_index.index_products(pipeline.backends.database, iter([60.0, 60.0, 0.0]).__next__)
    assert 0 < len(indexed(pipeline)) < 30

    pipeline.run(b"sku,name\nS0,Lantern\nS1,Lantern\n")
    indexing.fill(pipeline.backends)

    assert is_current(pipeline)
    assert total(pipeline, "name=lantern") == 2
    assert indexed(pipeline) == lower_cased(pipeline)


def test_after_a_bulk_delete_the_index_is_emptied(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 7)
    pipeline.run(CATALOGUE.encode())
    indexing.fill(pipeline.backends)
    accepted = bulk_deletes.accept(pipeline.backends)
    assert total(pipeline, "name=lamp") == total(pipeline) == 0
    products.create(pipeline.backends, Content("S1", "Lamp one"))
    assert total(pipeline, "name=lamp") == total(pipeline) == 1
    bulk_deletes.carry_out(pipeline.backends, accepted.id, lambda: 60.0)

    indexing.fill(pipeline.backends)

    assert set(indexed(pipeline)) == {"s1"}
    assert total(pipeline, "name=lamp") == total(pipeline) == 1


def test_a_sample_of_the_index_leaves_out_what_a_bulk_delete_removed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 20)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_MATCHES_MIN", 1)
    pipeline.run(("sku,name\n" + "".join(f"S{number},Lamp {number}\n" for number in range(2000))).encode())
    indexing.fill(pipeline.backends)
    assert pipeline.call("GET", "/products?name=lamp&limit=1").json["total_is_estimate"]
    bulk_deletes.accept(pipeline.backends)
    for number in range(3):
        products.create(pipeline.backends, Content(f"new{number}", "Lamp"))

    answer = pipeline.call("GET", "/products?name=lamp&limit=1").json

    assert len(answer["items"]) == 1
    assert (answer["total"], answer["total_is_estimate"]) == (3, False)


@pytest.mark.parametrize("point", ["indexing.after_range", "indexing.before_commit", "indexing.between_steps"])
def test_indexing_recovers_from_being_killed(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())

    for _ in range(3):
        with killed_at(point):
            indexing.fill(pipeline.backends)
        pipeline.backends.database.close()
        assert total(pipeline, "name=lamp") == 30
    indexing.fill(pipeline.backends)

    assert is_current(pipeline)
    assert indexed(pipeline) == lower_cased(pipeline)


def test_large_changes_wait_for_a_running_import_but_not_too_long(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copying takes a processor from the import. Small changes are copied at once."""
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_SMALL_ROWS", 10)
    indexing.fill(pipeline.backends)
    pipeline.run(CATALOGUE.encode())
    products.create(pipeline.backends, Content("small", "Lamp"))
    pipeline.upload(b"sku,name\nS1,Lamp one\n")
    assert pipeline.split_next()

    indexing.fill(pipeline.backends)
    assert set(indexed(pipeline)) == {"small"}
    assert total(pipeline) == total(pipeline, "name=lamp") == 31
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_WAIT_SECONDS_MAX", 0)
    indexing.fill(pipeline.backends)
    assert len(indexed(pipeline)) == 31


def test_a_small_import_reads_no_more_than_what_it_changed(pipeline: Pipeline) -> None:
    pipeline.run(("sku,name\n" + "".join(f"S{number},Lamp {number}\n" for number in range(6000))).encode())
    indexing.fill(pipeline.backends)
    changed = "".join(f"S{number},Lantern {number}\n" for number in range(0, 6000, 120))
    created = "".join(f"T{number},Lantern {number}\n" for number in range(50))
    pipeline.run(f"sku,name\n{changed}{created}".encode())
    before = {table: rows_read(pipeline, table) for table in ("product", "product_search")}

    indexing.fill(pipeline.backends)

    assert len([name for name, *_ in indexed(pipeline).values() if "lantern" in name]) == 100
    read = {table: rows_read(pipeline, table) - before[table] for table in before}
    assert read["product"] <= 110
    assert read["product_search"] - len(indexed(pipeline)) <= 300


@pytest.mark.parametrize("workers", [4, 16])
def test_ids_that_lie_between_those_of_other_chunks_are_read_about_once(
    pipeline: Pipeline, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sequence gives the chunks that run at once their ids in turn, so the range of each contains all others."""
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_SMALL_ROWS", 10)
    indexing.fill(pipeline.backends)
    rows = 100 * workers
    pipeline.run(("sku,name\n" + "".join(f"S{number},x\n" for number in range(rows))).encode())
    pipeline.sql("delete from catalogue_change")
    for worker in range(workers):
        pipeline.sql(
            "insert into catalogue_change (operation, created, first_id, last_id)"
            " select 1, 100, min(id) + %s, max(id) - %s from product",
            worker,
            workers - 1 - worker,
        )
    before = rows_read(pipeline, "product")

    indexing.fill(pipeline.backends)

    assert len(indexed(pipeline)) == rows
    assert rows_read(pipeline, "product") - before <= rows + 10


def test_a_change_wakes_indexing_and_a_lost_message_is_sent_again(pipeline: Pipeline) -> None:
    indexing.fill(pipeline.backends)
    products.create(pipeline.backends, Content("S1", "Lamp"))
    message = pipeline.receive("changes", wait_seconds=5)
    assert message is not None
    assert indexed(pipeline) == {}

    sweeping.sweep(pipeline.backends)
    again = pipeline.receive("changes", wait_seconds=5)
    assert again is not None
    pipeline.deliver("index_products", again)

    assert set(indexed(pipeline)) == {"s1"}
    pipeline.deliver("index_products", message)
    sweeping.sweep(pipeline.backends)
    assert pipeline.receive("changes") is None, "nothing is left to do"


def test_many_edits_at_once_send_one_message(pipeline: Pipeline) -> None:
    indexing.fill(pipeline.backends)
    queues = pipeline.backends.queues
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues, "send", lambda queue, messages, **more: sent.append((queue, more)))
        patch.setattr(queues, "_woken_at", {})
        patch.setattr("chalicelib.backends.sqs.time", SimpleNamespace(time=iter([100.0, 100.2, 100.4, 100.6]).__next__))
        for _ in range(4):
            queues.wake_soon("changes")

    assert sent == [("changes", {"delay_seconds": 1})] * 2


def test_indexing_continues_with_another_message(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())
    message = {"Body": ChangesMessage().body()}

    pipeline.deliver("index_products", message, seconds=INVOCATION_RESERVE_SECONDS + 0.05)
    while more := pipeline.receive("changes", wait_seconds=3):
        pipeline.deliver("index_products", more)

    assert is_current(pipeline)
    assert indexed(pipeline) == lower_cased(pipeline)


@pytest.mark.parametrize("seed", range(3))
def test_lists_are_right_at_every_moment_of_copying(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Random changes, and indexing that stops after any step. The oracle reads the catalogue."""
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 2)
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_CHANGES", 2)
    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_CHANGES_MAX", 12)
    draw = random.Random(seed)
    used = {False: 0, True: 0}
    for _ in range(60):
        change_something(pipeline, draw)
        for _ in range(draw.randrange(3)):
            search_index.index_products(pipeline.backends.database, iter([60.0] * draw.randrange(4) + [0.0]).__next__)
            shown = pipeline.sql(
                "select id, name from product p, barrier b where not deleted and p.version >= b.floor order by id"
            )
            with pipeline.backends.database.transaction() as transaction:
                found = find(transaction, Filters(name="lamp"), Place(SORTS["id"], 100))
            wanted = [row["id"] for row in shown if "lamp" in row["name"].lower()]
            assert ([each.id for each in found.products], found.total) == (wanted, len(wanted))
            assert total(pipeline) == len(shown)
            used[found.index_is_current] += 1
    assert min(used.values()) > 5, used


def change_something(pipeline: Pipeline, draw: random.Random) -> None:
    """Imports, creates, edits, renames or deletes products, or deletes all."""
    skus = [f"S{number}" for number in range(12)]
    ids = [
        row["id"]
        for row in pipeline.sql("select id from product p, barrier b where not deleted and p.version >= b.floor")
    ]
    kind = draw.choices(["import", "create", "name", "sku", "delete", "all"], [4, 4, 4, 3, 3, 1])[0]
    with suppress(Conflict):
        if kind == "import":
            rows = "".join(f"{draw.choice(skus)},{draw.choice(['Lamp', 'Sofa'])}\n" for _ in range(6))
            pipeline.run(f"sku,name\n{rows}".encode())
        elif kind == "all":
            bulk_deletes.carry_out(pipeline.backends, bulk_deletes.accept(pipeline.backends).id, lambda: 60.0)
        elif kind == "create" or not ids:
            products.create(pipeline.backends, Content(draw.choice(skus), draw.choice(["Lamp", "Sofa"])))
        elif kind == "delete":
            products.delete(pipeline.backends, draw.choice(ids))
        else:
            new = Changes(sku=draw.choice(skus)) if kind == "sku" else Changes(name=draw.choice(["Lamp", "Sofa"]))
            products.edit(pipeline.backends, draw.choice(ids), new)


def test_two_invocations_at_once_take_turns(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())
    other = connect(settings())
    reached, resume = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "indexing.after_range" and not reached.is_set():
            reached.set()
            assert resume.wait(20)

    with switched_on(hold):
        threads = [threading.Thread(target=indexing.fill, args=[each]) for each in (pipeline.backends, other)]
        threads[0].start()
        assert reached.wait(20)
        threads[1].start()
        assert waits_for_a_lock(pipeline)
        resume.set()
        for each in threads:
            each.join(20)
            assert not each.is_alive()

    other.database.close()
    assert is_current(pipeline)
    assert indexed(pipeline) == lower_cased(pipeline)


def waits_for_a_lock(pipeline: Pipeline) -> bool:
    """Waits until a session waits for the state of indexing: without its lock, it would wait for an entry later on."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        waiting = pipeline.sql("select query from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0")
        if any("from product_search_state for update" in row["query"] for row in waiting):
            return True
        time.sleep(0.01)
    return False


def test_a_step_is_limited_in_bytes(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_BYTES", 1)
    pipeline.run(CATALOGUE.encode())

    search_index.index_products(pipeline.backends.database, iter([60.0, 0.0]).__next__)

    assert len(indexed(pipeline)) == 1
    indexing.fill(pipeline.backends)

    pipeline.run(b"sku,name,description\nS1,new,..\nS2,new,..\nX1,new,..\nX2,new,..\n")
    # The first step chooses the changes; then each copies one changed or created product.
    for copied in (0, 1, 2, 3, 4):
        search_index.index_products(pipeline.backends.database, iter([60.0, 0.0]).__next__)
        assert [name for name, *_ in indexed(pipeline).values()].count("new") == copied


@pytest.mark.parametrize("text", ["zz", "%", "_", "\\", "a%b", "50%_\\", "ÄÖ", "ж", "é", "'"])
def test_a_search_text_is_literal_in_the_index(pipeline: Pipeline, text: str) -> None:
    names = ["zz top", "a%b", "axb", "50%_\\ off", "50 xx", "äö", "Жук", "éclair", "it's", "a_b", "back\\slash"]
    for number, name in enumerate(names):
        products.create(pipeline.backends, Content(f"k{number}", name))
    indexing.fill(pipeline.backends)

    found = pipeline.call("GET", f"/products?name={quote(text)}").json

    assert {each["name"] for each in found["items"]} == {name for name in names if text.lower() in name.lower()}


def test_a_rare_word_is_found_without_scanning_the_catalogue(pipeline: Pipeline) -> None:
    pipeline.run(("sku,name\n" + "".join(f"S{n},Lamp {n}\n" for n in range(3000)) + "X,Unobtainium\n").encode())
    indexing.fill(pipeline.backends)
    pipeline.sql("analyze product; analyze product_search")

    seen = statements(pipeline, lambda: total(pipeline, "name=unobtainium"))

    (search,) = [each for each in seen if "product_search s where true" in each]
    with pipeline.backends.database.transaction() as transaction:
        transaction.run("with_indexes")
        plan = explained(transaction, search, {"name": "unobtainium", "limit": 51, "key": None})
    assert "Bitmap Index Scan on product_search_texts" in plan, plan
    assert not re.search(r"Seq Scan on product\b", plan), plan


@pytest.mark.parametrize(
    "sku", ["sku-0012", "SKU-0012 ", "u-0012", "sku", "sku-00_2", "sku%12", "0012-sku", "zz", "sku-\\"]
)
def test_words_that_most_skus_have_change_nothing_about_what_is_found(pipeline: Pipeline, sku: str) -> None:
    skus = [f"SKU-{number:04}" for number in range(40)]
    skus += ["X-0012", "0012-SKU", "SKU-00_2", "SKU%12", "SKU-\\", "ZZ-SKU-0012"]
    pipeline.run(("sku,name\n" + "".join(f"{each},Lamp\n" for each in skus)).encode())
    indexing.fill(pipeline.backends)

    with pipeline.backends.database.transaction() as transaction:
        found = find(transaction, Filters(sku=sku), Place(SORTS["id"], 100))

    wanted = {each for each in skus if sku.strip().lower() in each.lower()}
    assert ({each.sku for each in found.products}, found.total) == (wanted, len(wanted))
    assert found.index_is_current


def test_words_that_most_skus_have_are_not_looked_up(pipeline: Pipeline) -> None:
    pipeline.run(("sku,name\n" + "".join(f"SKU-{number:04},Lamp\n" for number in range(300))).encode())
    indexing.fill(pipeline.backends)
    pattern = query("looked_up_sku").split("s.sku_key like (")[1].split(") and strpos")[0]

    for sku, expected in (("SKU-0012", "%%-0012%"), ("sku", "%sku%"), ("lamp-0012", "%lamp-0012%")):
        values = {"sku": sku, "few_percent": 100, "seed": 1}
        with pipeline.backends.database.transaction() as transaction:
            rows = transaction.cursor.connection.execute(f"select ({pattern})".encode(), values).fetchall()
        assert [*rows[0]] == [expected]


def test_a_text_without_trigrams_is_looked_for_in_the_folded_texts(pipeline: Pipeline) -> None:
    pipeline.run(("sku,name\n" + "".join(f"S{n},Lamp {n}\n" for n in range(3000)) + "X,ZQ\n").encode())
    indexing.fill(pipeline.backends)
    pipeline.sql("analyze product; analyze product_search")

    seen = statements(pipeline, lambda: total(pipeline, "name=zq"))

    (search,) = [each for each in seen if "product_search s where true" in each]
    with pipeline.backends.database.transaction() as transaction:
        transaction.run("in_parallel")
        plan = explained(transaction, search, {"name": "zq", "limit": 51, "key": None})
    assert "Seq Scan on product_search s" in plan, plan
    assert "product_search_texts" not in plan, plan
    assert total(pipeline, "name=zq") == 1


def test_a_common_word_has_an_estimated_total_and_an_exact_page(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"S{number:04},{'Lamp' if number % 3 else 'Kettle'} {number}\n" for number in range(2000))
    pipeline.run(f"sku,name\n{rows}".encode())
    indexing.fill(pipeline.backends)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 10)

    with pipeline.backends.database.transaction() as transaction:
        found = find(transaction, Filters(name="kettle"), Place(SORTS["sku"], 5))
        rare = find(transaction, Filters(name="kettle 3"), Place(SORTS["sku"], 5))

    assert [each.sku for each in found.products] == ["S0000", "S0003", "S0006", "S0009", "S0012"]
    assert found.total_is_estimate
    assert 667 / 3 < found.total < 667 * 3
    assert not rare.total_is_estimate
    assert rare.total == len([number for number in range(0, 2000, 3) if str(number).startswith("3")])


def test_a_common_word_that_only_old_products_have_is_found_with_the_index(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk from the newest product would read half of the catalogue."""
    rows = "".join(f"S{number:04},{'Kettle' if number < 1000 else 'Lamp'} {number}\n" for number in range(2000))
    pipeline.run(f"sku,name\n{rows}".encode())
    indexing.fill(pipeline.backends)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 20)
    monkeypatch.setattr("chalicelib.catalogue.listing.WALK_ROWS_MAX", 100)

    with pipeline.backends.database.transaction() as transaction:
        found = find(transaction, Filters(name="kettle"), Place(SORTS["-sku"], 3))

    assert [each.sku for each in found.products] == ["S0999", "S0998", "S0997"]
    assert (found.total, found.total_is_estimate) == (1000, False)


def statements(pipeline: Pipeline, work: Callable[[], Any]) -> list[str]:
    """Returns the statements that are composed while `work` runs."""
    seen: list[str] = []

    def watched(self: Transaction, names: Any, kind: Any, /, **parameters: Any) -> Any:
        seen.append("\n".join(query(name) for name in names))
        return original(self, names, kind, **parameters)

    original = Transaction.composed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "composed", watched)
        work()
    return seen


OLD_READY = "select shown_count is not null from product_search_state"
OLD_BEGIN = "update product_search_state set after_key = '', imports = '{}', copied_floor = 0"
OLD_PRODUCT = """
    insert into product (sku, sku_key, name, description, active,
                         version, name_version, description_version, active_version, content_version)
    values ('old', 'old', 'Lamp', '', true, 1, 1, 1, 1, 1)
"""


def test_the_code_before_does_not_use_the_index_while_a_deployment_is_under_way(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes products without a record until the functions are replaced. Then the whole catalogue is copied."""
    every = migrations._migrations()
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute("drop database if exists deployed_search")
        owner.execute("create database deployed_search")
    conninfo = psycopg.conninfo.make_conninfo(services.owner_conninfo, dbname="deployed_search")
    monkeypatch.setattr(migrations, "_migrations", lambda: [each for each in every if each[0] < "0015"])
    migrations.migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute("update product_search_state set shown_count = 0, after_key = 'x'")
        monkeypatch.setattr(migrations, "_migrations", lambda: every)
        migrations.migrate(conninfo, contract=False)
        assert owner.execute(OLD_READY).fetchone() == (False,)
        assert owner.execute(OLD_BEGIN).rowcount == 0, "it has nothing to do"
        database = Database(conninfo)
        assert not search_index.index_products(database, lambda: 60.0)
        owner.execute(OLD_PRODUCT)
        assert owner.execute("select begun from product_search_state").fetchone() == (False,)

        migrations.migrate(conninfo)
        search_index.index_products(database, lambda: 60.0)

        assert owner.execute("select sku_key, name from product_search").fetchall() == [("old", "lamp")]
        assert owner.execute("select built from product_search_state").fetchone() == (True,)
        with database.transaction() as transaction:
            found = find(transaction, Filters(name="lamp"), Place(SORTS["id"], 9))
            assert (found.total, found.index_is_current, change_record.total(transaction)) == (1, True, 1)
        database.close()
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute("drop database deployed_search")


def test_a_product_whose_key_is_wrong_is_reported(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    pipeline.run(b"sku,name\na,one\nb,two\n")
    pipeline.sql("update product set sku = 'c' where sku_key = 'a'")

    with caplog.at_level("ERROR"):
        indexing.fill(pipeline.backends)

    measured = [record.details.measured for record in caplog.records]  # type: ignore[attr-defined]
    assert {"WrongSkuKeys": 1} in measured
