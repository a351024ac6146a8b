"""The search index: when lists use it, what it contains, and what interrupts indexing."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from chalicelib.backends import connect
from chalicelib.backends.database import Transaction
from chalicelib.catalogue import bulk_deletes, products, search_index
from chalicelib.catalogue.listing import SORTS, Filters, Place, find
from chalicelib.catalogue.products import Changes, Content
from chalicelib.fault_points import switched_on
from chalicelib.importing import imports
from chalicelib.settings import settings
from chalicelib.sql import query
from tests.integration.killing import killed_at
from tests.integration.query_plan import explained
from tests.support import indexing

if TYPE_CHECKING:
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
    assert pipeline.sql("select * from product_search_edit") == []
    assert indexed(pipeline) == lower_cased(pipeline)


def test_with_too_many_noted_edits_the_index_is_not_used(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    indexing.fill(pipeline.backends)
    for number in range(4):
        products.create(pipeline.backends, Content(str(number), "x"))
    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_EDITS_MAX", 3)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert not any("product_search s where true" in each for each in seen)

    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_EDITS_MAX", 4)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert any("product_search s where true" in each for each in seen)


def test_indexing_waits_for_a_running_import(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    running = uuid.UUID(pipeline.upload(b"sku,name\nS1,Lamp one\n"))
    assert pipeline.split_next()

    indexing.fill(pipeline.backends)

    assert indexed(pipeline) == {}
    assert total(pipeline, "name=lamp") == 30
    imports.cancel(pipeline.backends, running)
    indexing.fill(pipeline.backends)
    assert is_current(pipeline)
    assert len(indexed(pipeline)) == 30


def test_products_imported_during_a_pass_are_indexed_by_another_pass(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())
    search_index.index_products(pipeline.backends.database, iter([60.0, 60.0, 60.0, 0.0]).__next__)
    assert 0 < len(indexed(pipeline)) < 30

    pipeline.run(b"sku,name\nS0,Lantern\nS1,Lantern\n")
    indexing.fill(pipeline.backends)

    assert is_current(pipeline)
    assert total(pipeline, "name=lantern") == 2
    assert indexed(pipeline) == lower_cased(pipeline)


def test_a_retried_import_is_indexed_again(pipeline: Pipeline) -> None:
    failed = uuid.UUID(pipeline.upload(CATALOGUE.encode()))
    assert pipeline.split_next()
    with pipeline.backends.database.transaction() as transaction:
        imports.fail(transaction, failed, "chunk_failed", "…", retryable=True)
    indexing.fill(pipeline.backends)
    assert is_current(pipeline)

    imports.retry(pipeline.backends, failed)

    assert not is_current(pipeline)


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


@pytest.mark.parametrize("point", ["indexing.after_range", "indexing.before_end_commit", "indexing.between_steps"])
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


def test_two_invocations_do_not_index_at_once(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    other = connect(settings())
    reached, resume = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "indexing.after_range" and not reached.is_set():
            reached.set()
            assert resume.wait(20)

    with switched_on(hold):
        first = threading.Thread(target=indexing.fill, args=[pipeline.backends])
        first.start()
        assert reached.wait(20)
        indexing.fill(other)  # Returns immediately and does nothing.
        resume.set()
        first.join(20)

    assert not first.is_alive()
    other.database.close()
    assert is_current(pipeline)


def test_a_step_is_limited_in_bytes(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_BYTES", 1)
    pipeline.run(CATALOGUE.encode())

    search_index.index_products(pipeline.backends.database, iter([60.0, 60.0, 0.0]).__next__)

    assert len(indexed(pipeline)) == 1


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
