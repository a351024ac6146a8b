"""The copy of the catalogue that lists are filtered by: when it is used, what it holds, and what stops its filling."""

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
from tests.support import search_copy

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

CATALOGUE = "sku,name,description\n" + "".join(f"S{number},Lamp {number},warm light\n" for number in range(30))


def total(pipeline: Pipeline, query: str = "") -> int:
    answer = pipeline.call("GET", f"/products?{query}")
    assert answer.status == 200, answer.body
    return int(answer.json["total"])


def is_ready(pipeline: Pipeline) -> bool:
    said = pipeline.call("GET", "/products").json["search_index"]
    assert said in {"current", "behind"}
    return bool(said == "current")


def copied(pipeline: Pipeline) -> dict[str, tuple[str, str, str, bool]]:
    rows = pipeline.sql("select * from product_search")
    return {row["sku_key"]: (row["sku"], row["name"], row["description"], row["active"]) for row in rows}


def lowered(pipeline: Pipeline) -> dict[str, tuple[str, str, str, bool]]:
    """The catalogue as the copy should hold it. ASCII, where Python's lower() is PostgreSQL's."""
    return {
        key: (sku.lower(), name.lower(), description.lower(), active)
        for key, (sku, name, description, active) in pipeline.products().items()
    }


def test_an_import_is_in_the_copy_once_it_has_been_copied(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    assert not is_ready(pipeline)
    assert total(pipeline, "name=LAMP+2") == 11, "the catalogue itself is read meanwhile"

    search_copy.fill(pipeline.backends)

    assert is_ready(pipeline)
    assert copied(pipeline) == lowered(pipeline)
    assert total(pipeline, "name=LAMP+2") == 11


def test_a_later_import_replaces_adds_and_leaves_alone(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    search_copy.fill(pipeline.backends)
    written = {row["sku_key"]: row["xmin"] for row in pipeline.sql("select sku_key, xmin::text from product_search")}

    pipeline.run(b"sku,name,description\nS1,Lamp 1,cold light\nS2,Lamp 2,warm light\nS99,Kettle,\n")
    search_copy.fill(pipeline.backends)

    assert copied(pipeline) == lowered(pipeline)
    again = {row["sku_key"]: row["xmin"] for row in pipeline.sql("select sku_key, xmin::text from product_search")}
    assert {key for key, xmin in again.items() if written.get(key) != xmin} == {"s1", "s99"}


def test_edits_by_hand_are_found_before_they_are_copied(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    search_copy.fill(pipeline.backends)
    ids = {row["sku"]: row["id"] for row in pipeline.sql("select sku, id from product")}

    products.create(pipeline.backends, Content("new", "Lantern"))
    products.edit(pipeline.backends, ids["S1"], Changes(name="Lantern too"))
    products.edit(pipeline.backends, ids["S2"], Changes(sku="moved", name="Lantern as well"))
    products.delete(pipeline.backends, ids["S3"])

    assert is_ready(pipeline)
    for _ in range(2):
        assert total(pipeline) == 30
        assert total(pipeline, "name=lantern") == 3
        assert total(pipeline, "sku=moved") == 1
        assert total(pipeline, "name=lamp") == 27
        search_copy.fill(pipeline.backends)
    assert pipeline.sql("select * from product_search_edit") == []
    assert copied(pipeline) == lowered(pipeline)


def test_with_too_many_edits_beside_it_the_copy_is_not_used(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_copy.fill(pipeline.backends)
    for number in range(4):
        products.create(pipeline.backends, Content(str(number), "x"))
    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_EDITS_MAX", 3)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert not any("product_search s where true" in each for each in seen)

    monkeypatch.setattr("chalicelib.catalogue.listing.SEARCH_EDITS_MAX", 4)
    seen = statements(pipeline, lambda: total(pipeline, "name=xxx"))
    assert any("product_search s where true" in each for each in seen)


def test_the_copy_waits_for_an_import_that_runs(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    running = uuid.UUID(pipeline.upload(b"sku,name\nS1,Lamp one\n"))
    assert pipeline.split_next()

    search_copy.fill(pipeline.backends)

    assert copied(pipeline) == {}
    assert total(pipeline, "name=lamp") == 30
    imports.cancel(pipeline.backends, running)
    search_copy.fill(pipeline.backends)
    assert is_ready(pipeline)
    assert len(copied(pipeline)) == 30


def test_an_import_that_ends_while_it_is_copied_is_copied_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())
    search_index.index_products(pipeline.backends.database, iter([60.0, 60.0, 60.0, 0.0]).__next__)
    assert 0 < len(copied(pipeline)) < 30

    pipeline.run(b"sku,name\nS0,Lantern\nS1,Lantern\n")
    search_copy.fill(pipeline.backends)

    assert is_ready(pipeline)
    assert total(pipeline, "name=lantern") == 2
    assert copied(pipeline) == lowered(pipeline)


def test_an_import_that_is_retried_is_copied_again(pipeline: Pipeline) -> None:
    failed = uuid.UUID(pipeline.upload(CATALOGUE.encode()))
    assert pipeline.split_next()
    with pipeline.backends.database.transaction() as transaction:
        imports.fail(transaction, failed, "chunk_failed", "…", retryable=True)
    search_copy.fill(pipeline.backends)
    assert is_ready(pipeline)

    imports.retry(pipeline.backends, failed)

    assert not is_ready(pipeline)


def test_after_a_bulk_delete_the_copy_is_emptied(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 7)
    pipeline.run(CATALOGUE.encode())
    search_copy.fill(pipeline.backends)
    accepted = bulk_deletes.accept(pipeline.backends)
    assert total(pipeline, "name=lamp") == total(pipeline) == 0
    products.create(pipeline.backends, Content("S1", "Lamp one"))
    assert total(pipeline, "name=lamp") == total(pipeline) == 1
    bulk_deletes.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)

    search_copy.fill(pipeline.backends)

    assert set(copied(pipeline)) == {"s1"}
    assert total(pipeline, "name=lamp") == total(pipeline) == 1


@pytest.mark.parametrize("point", ["indexing.after_range", "indexing.before_end_commit", "indexing.between_steps"])
def test_whoever_is_killed_while_copying_is_followed_by_another(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 10)
    pipeline.run(CATALOGUE.encode())

    for _ in range(3):
        with killed_at(point):
            search_copy.fill(pipeline.backends)
        pipeline.backends.database.close()
        assert total(pipeline, "name=lamp") == 30
    search_copy.fill(pipeline.backends)

    assert is_ready(pipeline)
    assert copied(pipeline) == lowered(pipeline)


def test_two_do_not_copy_at_once(pipeline: Pipeline) -> None:
    pipeline.run(CATALOGUE.encode())
    other = connect(settings())
    reached, go_on = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "indexing.after_range" and not reached.is_set():
            reached.set()
            assert go_on.wait(20)

    with switched_on(hold):
        first = threading.Thread(target=search_copy.fill, args=[pipeline.backends])
        first.start()
        assert reached.wait(20)
        search_copy.fill(other)  # Comes back at once, with nothing done.
        go_on.set()
        first.join(20)

    assert not first.is_alive()
    other.database.close()
    assert is_ready(pipeline)


def test_a_step_is_limited_in_bytes_too(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_BYTES", 1)
    pipeline.run(CATALOGUE.encode())

    search_index.index_products(pipeline.backends.database, iter([60.0, 60.0, 0.0]).__next__)

    assert len(copied(pipeline)) == 1


@pytest.mark.parametrize("text", ["zz", "%", "_", "\\", "a%b", "50%_\\", "ÄÖ", "ж", "é", "'"])
def test_whatever_is_looked_for_means_itself_in_the_copy_too(pipeline: Pipeline, text: str) -> None:
    names = ["zz top", "a%b", "axb", "50%_\\ off", "50 xx", "äö", "Жук", "éclair", "it's", "a_b", "back\\slash"]
    for number, name in enumerate(names):
        products.create(pipeline.backends, Content(f"k{number}", name))
    search_copy.fill(pipeline.backends)

    found = pipeline.call("GET", f"/products?name={quote(text)}").json

    assert {each["name"] for each in found["items"]} == {name for name in names if text.lower() in name.lower()}


def test_a_rare_word_is_found_without_reading_the_catalogue(pipeline: Pipeline) -> None:
    pipeline.run(("sku,name\n" + "".join(f"S{n},Lamp {n}\n" for n in range(3000)) + "X,Unobtainium\n").encode())
    search_copy.fill(pipeline.backends)
    pipeline.sql("analyze product; analyze product_search")

    seen = statements(pipeline, lambda: total(pipeline, "name=unobtainium"))

    (search,) = [each for each in seen if "product_search s where true" in each]
    with pipeline.backends.database.transaction() as transaction:
        transaction.run("with_indexes")
        values = {"name": "unobtainium", "limit": 51, "key": None}
        plan = transaction.cursor.execute(f"explain {search}".encode(), values).fetchall()
    text = "\n".join(row["QUERY PLAN"] for row in plan)
    assert "Bitmap Index Scan on product_search_texts" in text, text
    assert not re.search(r"Seq Scan on product\b", text), text


def test_a_common_word_is_estimated_and_its_page_is_right(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"S{number:04},{'Lamp' if number % 3 else 'Kettle'} {number}\n" for number in range(2000))
    pipeline.run(f"sku,name\n{rows}".encode())
    search_copy.fill(pipeline.backends)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 10)

    with pipeline.backends.database.transaction() as transaction:
        found = find(transaction, Filters(name="kettle"), Place(SORTS["sku"], 5))
        rare = find(transaction, Filters(name="kettle 3"), Place(SORTS["sku"], 5))

    assert [each["sku"] for each in found.products] == ["S0000", "S0003", "S0006", "S0009", "S0012"]
    assert found.total_is_estimate
    assert 667 / 3 < found.total < 667 * 3
    assert not rare.total_is_estimate
    assert rare.total == len([number for number in range(0, 2000, 3) if str(number).startswith("3")])


def test_a_common_word_that_stands_far_away_is_found_with_the_index(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old products have it, new ones do not: going through the newest first would read half of the catalogue."""
    rows = "".join(f"S{number:04},{'Kettle' if number < 1000 else 'Lamp'} {number}\n" for number in range(2000))
    pipeline.run(f"sku,name\n{rows}".encode())
    search_copy.fill(pipeline.backends)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 20)
    monkeypatch.setattr("chalicelib.catalogue.listing.WALK_ROWS_MAX", 100)

    with pipeline.backends.database.transaction() as transaction:
        found = find(transaction, Filters(name="kettle"), Place(SORTS["-sku"], 3))

    assert [each["sku"] for each in found.products] == ["S0999", "S0998", "S0997"]
    assert (found.total, found.total_is_estimate) == (1000, False)


def statements(pipeline: Pipeline, work: Callable[[], Any]) -> list[str]:
    """The SQL that is composed while `work` runs."""
    seen: list[str] = []

    def watched(self: Transaction, names: Any, /, **parameters: Any) -> Any:
        seen.append("\n".join(query(name) for name in names))
        return original(self, names, **parameters)

    original = Transaction.composed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "composed", watched)
        work()
    return seen
