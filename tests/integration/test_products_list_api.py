"""The list of products: filters, orders, pages and totals, compared with a plain Python implementation."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from chalicelib import limits
from chalicelib.catalogue import bulk_deletes
from chalicelib.sql import query
from tests.integration.query_plan import explained
from tests.support import indexing
from tests.support.sequential_model import key_of

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

Row = dict[str, Any]
ORDERS: dict[str, tuple[Callable[[Row], Any], bool]] = {
    "": (lambda row: row["id"], True),
    "-id": (lambda row: row["id"], True),
    "id": (lambda row: row["id"], False),
    "sku": (lambda row: key_of(row["sku"]).encode(), False),
    "-sku": (lambda row: key_of(row["sku"]).encode(), True),
}
"""The key of each sort, and whether it is descending."""
FILTERS: list[dict[str, str]] = [
    {},
    {"sku": "1"},
    {"sku": "SKÜ"},
    {"name": "100%"},
    {"name": "_"},
    {"description": "SCHWARZ\n\\1"},
    {"active": "false"},
    {"q": "gRÜn"},
    {"q": "2", "active": "true"},
    {"sku": "sku", "name": "grün", "description": "\\", "active": "true", "q": "1"},
    {"name": "nothing has this"},
]
PAGE_ITEMS = 23
WORDS = ["grün 100%", "GRÜN a_b", "Éclair", "rot \\ schwarz", "Rot"]


def catalogue(pipeline: Pipeline, *, index_before_edits: bool = False) -> list[Row]:
    """Creates a few hundred products, with tombstones and rows left by a bulk delete. Reads them with plain SQL."""
    old = "".join(f"old-{number},grün 100%\n" for number in range(20))
    pipeline.run(f"sku,name\n{old}".encode())
    bulk_deletes.accept(pipeline.backends)
    lines = [
        f"{'skü' if number % 3 else 'SKU'}-{number * 7919 % 1000},{WORDS[number % 5]} {number},"
        f'"{WORDS[number % 4]}\n\\{number % 11}",{"no" if number % 4 == 0 else "yes"}'
        for number in range(300)
    ]
    pipeline.run("\n".join(["sku,name,description,active", *lines]).encode())
    (floor,) = pipeline.sql("select floor from barrier")
    rows = pipeline.sql("select * from product where version >= %s order by id", floor["floor"])
    if index_before_edits:
        indexing.fill(pipeline.backends)
    for row in rows[::17]:
        assert pipeline.call("DELETE", f"/products/{row['id']}").status == 204
    for row in rows[1::17]:
        assert pipeline.call("PATCH", f"/products/{row['id']}", {"sku": f"renamed-{row['id']}"}).status == 200
    assert pipeline.sql("select count(*) from product")[0]["count"] > 320, "tombstones and old rows are still there"
    return pipeline.sql("select * from product where version >= %s and not deleted", floor["floor"])


def expected(rows: list[Row], filters: dict[str, str], sort: str) -> list[str]:
    """The ids that the list must have, in its order."""

    def passes(row: Row) -> bool:
        texts = {name: row[name].lower() for name in ("sku", "name", "description")}
        wanted = {name: text.lower() for name, text in filters.items()}
        return (
            all(wanted[name] in texts[name] for name in texts if name in wanted)
            and ("q" not in wanted or any(wanted["q"] in text for text in texts.values()))
            and ("active" not in wanted or row["active"] == (wanted["active"] == "true"))
        )

    key, descending = ORDERS[sort]
    return [str(row["id"]) for row in sorted(filter(passes, rows), key=key, reverse=descending)]


def get(pipeline: Pipeline, path: str) -> Any:
    answer = pipeline.call("GET", path.removeprefix("/api"))
    assert answer.status == 200, answer.body
    links = [f'<{answer.json[rel]}>; rel="{rel}"' for rel in ("next", "prev") if answer.json[rel]]
    assert answer.headers.get("Link", "") == ", ".join(links)
    return answer.json


def walk(pipeline: Pipeline, path: str | None, towards: str) -> list[Any]:
    """The pages from this path on, following their links."""
    pages = []
    while path is not None:
        pages.append(get(pipeline, path))
        path = pages[-1][towards]
    return pages


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page["items"]]


@pytest.mark.parametrize("source", ["catalogue", "index", "index and edits"])
def test_paging_forward_and_back_gives_what_the_filters_and_the_sort_say(pipeline: Pipeline, source: str) -> None:
    rows = catalogue(pipeline, index_before_edits=source == "index and edits")
    if source == "index":
        indexing.fill(pipeline.backends)
    for sort in ORDERS:
        for filters in FILTERS:
            query = urlencode({**filters, "limit": PAGE_ITEMS, **({"sort": sort} if sort else {})})
            wanted = expected(rows, filters, sort)

            there = walk(pipeline, f"/products?{query}", "next")
            back = [there[-1], *walk(pipeline, there[-1]["prev"], "prev")][::-1]

            chunks = [wanted[start : start + PAGE_ITEMS] for start in range(0, len(wanted), PAGE_ITEMS)] or [[]]
            assert [ids(page) for page in there] == chunks, (sort, filters)
            assert [ids(page) for page in back] == chunks, (sort, filters)
            assert {(page["total"], page["total_is_estimate"]) for page in there + back} == {(len(wanted), False)}
            assert (there[0]["prev"], there[-1]["next"]) == (None, None)


def test_a_listed_product_is_the_same_as_when_read_alone(pipeline: Pipeline) -> None:
    catalogue(pipeline)

    for each in get(pipeline, f"/products?limit={limits.PAGE_ITEMS_MAX}")["items"][::10]:
        assert {**pipeline.call("GET", f"/products/{each['id']}").json, "description_is_cut": False} == each


def test_pages_stay_in_place_when_products_come_and_go(pipeline: Pipeline) -> None:
    for sku in "ABDE":
        pipeline.call("POST", "/products", {"sku": sku, "name": "x"})
    first = get(pipeline, "/products?sort=sku&limit=2")
    held = {each["sku"]: each["id"] for each in first["items"]}
    pipeline.call("DELETE", f"/products/{held['B']}")
    for sku in ("AA", "C"):
        pipeline.call("POST", "/products", {"sku": sku, "name": "x"})

    second = get(pipeline, first["next"])
    back = get(pipeline, second["prev"])

    assert [each["sku"] for each in second["items"]] == ["C", "D"]
    assert [each["sku"] for each in back["items"]] == ["A", "AA"]


def test_links_repeat_filters_sort_and_limit(pipeline: Pipeline) -> None:
    for number in range(3):
        pipeline.call("POST", "/products", {"sku": f"&=% {number}", "name": "x"})
    given = {"sku": "&=% ", "q": "X", "active": "true", "sort": "-sku", "limit": "1"}

    link = get(pipeline, f"/products?{urlencode(given)}")["next"]

    kept = dict(parse_qsl(urlsplit(link).query))
    assert {name: value for name, value in kept.items() if name != "cursor"} == given
    assert urlsplit(link).path == "/api/products"


def test_a_cursor_holds_the_longest_key(pipeline: Pipeline) -> None:
    for letter in ("\U0001d160", "\U0001d161"):  # NFC makes two or three letters of each, and they stay so.
        pipeline.call("POST", "/products", {"sku": letter * limits.SKU_CHARACTERS_MAX, "name": "x"})

    pages = walk(pipeline, "/products?sort=sku&limit=1", "next")

    assert len(pages) == 2
    assert ids(get(pipeline, pages[1]["prev"])) == ids(pages[0])


def test_an_empty_parameter_does_not_filter(pipeline: Pipeline) -> None:
    pipeline.call("POST", "/products", {"sku": "A", "name": "x"})

    assert get(pipeline, "/products?sku=&name=&description=&active=&q=&sort=")["total"] == 1


def test_the_database_decides_about_upper_and_lower_case(pipeline: Pipeline) -> None:
    """Python lower-cases İ to two letters; PostgreSQL has its own rule, and applies it to both sides."""
    for sku in ("İ", "Σ", "ǅ", "ẞ"):
        pipeline.call("POST", "/products", {"sku": sku, "name": sku})

    for sku in ("İ", "Σ", "σ", "ǆ", "ß"):
        assert get(pipeline, f"/products?name={quote(sku)}")["total"] == 1, sku


def cursor(**position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "colour"),
        ("Sku=a", "Sku"),
        ("sku=a&sku=b", "sku"),
        ("active=yes", "active"),
        ("active=True", "active"),
        ("sort=name", "sort"),
        ("sort=id,sku", "sort"),
        ("sort=version", "sort"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        *((f"{name}={'x' * (limits.FILTER_CHARACTERS_MAX + 1)}", name) for name in ("sku", "name", "description", "q")),
        *((f"{name}=a%00b", name) for name in ("sku", "name", "description", "q")),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=" + "x" * 10_000, "cursor"),
        (f"cursor={cursor(after=1)}", "cursor"),
        (f"cursor={cursor(after=1, sort='id')}", "cursor"),
        (f"cursor={cursor(after=1, sort='-id')}&sort=id", "cursor"),
        (f"cursor={cursor(after='a', sort='sku')}&sort=-sku", "cursor"),
        (f"cursor={cursor(after='a', sort='-id')}", "cursor"),
        (f"cursor={cursor(after=-1, sort='-id')}", "cursor"),
        (f"cursor={cursor(after=10**30, sort='-id')}", "cursor"),
        (f"cursor={cursor(after=1.5, sort='-id')}", "cursor"),
        (f"cursor={cursor(after=None, sort='-id')}", "cursor"),
        (f"cursor={cursor(sort='-id')}", "cursor"),
        (f"cursor={cursor(after=1, before=2, sort='-id')}", "cursor"),
        (f"cursor={cursor(beside=1, sort='-id')}", "cursor"),
        (f"sort=sku&cursor={cursor(after=chr(0), sort='sku')}", "cursor"),
        (f"sort=sku&cursor={cursor(after=chr(0xD800), sort='sku')}", "cursor"),
        (f"cursor={base64.urlsafe_b64encode(b'7').decode()}", "cursor"),
        (f"cursor={base64.urlsafe_b64encode(b'[1, 2]').decode()}", "cursor"),
        (f"cursor={base64.urlsafe_b64encode(b'null').decode()}", "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b'"sort"').decode().rstrip("="), "cursor"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(pipeline: Pipeline, query: str, pointer: str) -> None:
    answer = pipeline.call("GET", f"/products?{query}")

    assert answer.status == 422, answer.body
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


def test_a_cursor_of_another_list_is_refused(pipeline: Pipeline) -> None:
    for number in range(2):
        pipeline.call("POST", "/products", {"sku": str(number), "name": "x"})
        pipeline.register(5)
    of_products = urlsplit(get(pipeline, "/products?limit=1")["next"]).query
    of_imports = urlsplit(get(pipeline, "/imports?limit=1")["next"]).query

    assert pipeline.call("GET", f"/imports?{of_products}").status == 422
    assert pipeline.call("GET", f"/products?{of_imports}").status == 422


def test_a_common_word_has_pages_in_order_and_an_estimated_total(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that many products of the sample pass: pages come from walking through the catalogue."""
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 2)
    monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_MATCHES_MIN", 1)
    rows = catalogue(pipeline)
    wanted = expected(rows, {"q": "grün"}, "sku")

    there = walk(pipeline, f"/products?q={quote('grün')}&sort=sku&limit={PAGE_ITEMS}", "next")
    back = [there[-1], *walk(pipeline, there[-1]["prev"], "prev")][::-1]

    chunks = [wanted[start : start + PAGE_ITEMS] for start in range(0, len(wanted), PAGE_ITEMS)]
    assert [ids(page) for page in there] == [ids(page) for page in back] == chunks
    assert {page["total_is_estimate"] for page in there} == {True}


def test_a_page_without_filters_is_read_in_the_order_of_an_index(pipeline: Pipeline) -> None:
    """A page of a large catalogue is not sorted."""
    pipeline.run(b"sku,name\n" + b"".join(b"S%d,x\n" % number for number in range(3000)))
    pipeline.sql("analyze product")
    for seek, order, key in (
        ("above_id", "upwards_by_id", 5),
        ("below_id", "downwards_by_id", 500),
        ("above_sku", "upwards_by_sku", "s1"),
        ("below_sku", "downwards_by_sku", "s2"),
    ):
        statement = "\n".join(map(query, ("shown_products", seek, order, "limit_page")))
        with pipeline.backends.database.transaction() as transaction:
            plan = explained(transaction, statement, {"key": key, "limit": 51})
        assert "Index Scan" in plan, plan
        assert "Sort" not in plan, plan
