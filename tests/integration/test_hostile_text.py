"""Text that breaks programs, in every field and every filter: it is kept unchanged and found literally."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from chalicelib.catalogue.products import Content
from tests.integration.hostile import NAUGHTY, WILD
from tests.support.exported import add, export, rows_of, skus
from tests.support.exported import downloaded as downloaded_export

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

FIELDS = ("sku", "name", "description")
FILTERS = (*FIELDS, "q")
OTHER = "qqqq"
"""A product without hostile text."""


def create(pipeline: Pipeline, text: str) -> Answer:
    answer = pipeline.call("POST", "/products", {"sku": text, "name": text, "description": text})
    assert answer.status == 201, answer.body
    return answer


def texts_of(product: dict[str, Any]) -> list[str]:
    return [product[field] for field in FIELDS]


@pytest.mark.parametrize("naughty", NAUGHTY)
def test_text_comes_back_unchanged_and_is_found_literally(pipeline: Pipeline, naughty: str) -> None:
    made = create(pipeline, naughty)
    create(pipeline, OTHER)
    path = f"/products/{made.json['id']}"

    whole = {name: made.json[name] for name in (*FIELDS, "active")}
    for answer in (
        made,
        pipeline.call("GET", path),
        pipeline.call("PUT", path, json.dumps(whole, ensure_ascii=False).encode()),
        *(pipeline.call("PATCH", path, {field: naughty}) for field in FIELDS),
    ):
        assert answer.status in {200, 201}, answer.body
        assert texts_of(answer.json) == [naughty] * 3
    for parameter in FILTERS:
        listed = pipeline.call("GET", f"/products?{parameter}={quote(naughty, safe='')}").json
        assert [each["sku"] for each in listed["items"]] == [naughty], parameter
        assert listed["total"] == 1


def test_pages_of_hostile_skus_contain_each_of_them_once(pipeline: Pipeline) -> None:
    for naughty in NAUGHTY:
        create(pipeline, naughty)

    for sort in ("sku", "-sku"):
        seen, path = [], f"/products?sort={sort}&limit=7"
        while path:
            page = pipeline.call("GET", path.removeprefix("/api")).json
            seen += [each["sku"] for each in page["items"]]
            path = page["next"]
        assert sorted(seen) == sorted(NAUGHTY)


def test_a_hostile_filter_is_repeated_exactly_in_links(pipeline: Pipeline) -> None:
    for naughty in NAUGHTY:
        for number in range(2):
            made = pipeline.call(
                "POST", "/products", {"sku": f"{number}-{len(naughty)}-{hash(naughty)}", "name": naughty}
            )
            assert made.status == 201
        first = pipeline.call("GET", f"/products?name={quote(naughty, safe='')}&limit=1").json
        second = pipeline.call("GET", first["next"].removeprefix("/api")).json

        assert naughty.lower() in second["items"][0]["name"].lower()
        assert second["total"] == first["total"]


def test_a_file_of_hostile_text_is_imported_and_exported_unchanged(pipeline: Pipeline) -> None:
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    rows.writerows([[*FIELDS], *([naughty] * 3 for naughty in NAUGHTY)])

    ended = pipeline.run(written.getvalue().encode())
    exported = rows_of(downloaded_export(export(pipeline)))

    assert (ended["status"], ended["rows"]["created"], ended["rows"]["rejected"]) == ("completed", len(NAUGHTY), 0)
    assert sorted(exported) == sorted([naughty, naughty, naughty, "true"] for naughty in NAUGHTY)
    assert sorted(row["sku"] for row in pipeline.sql("select sku from product")) == sorted(NAUGHTY)


def test_filters_of_exports_are_literal(pipeline: Pipeline) -> None:
    add(pipeline, *(Content(naughty, naughty, naughty) for naughty in NAUGHTY), Content(OTHER, OTHER, OTHER))
    for naughty in WILD:
        for parameter in FILTERS:
            filters: dict[str, Any] = {parameter: naughty}
            found = set(skus(export(pipeline, **filters)))

            exact = {each for each in NAUGHTY if naughty in each}
            ignoring_case = {each for each in NAUGHTY if lower(naughty) in lower(each)}
            assert exact <= found <= ignoring_case, (parameter, naughty)


def lower(text: str) -> str:
    """Lower-cases letter by letter, as PostgreSQL's builtin collation does; Python turns İ into two letters."""
    return "".join(letter.lower()[0] for letter in text)


def test_a_hostile_file_name_is_shown_unchanged(pipeline: Pipeline) -> None:
    for naughty in NAUGHTY:
        answer = pipeline.call("POST", "/imports", {"filename": naughty, "size_bytes": 5})
        if any(character < " " or character == "\x7f" for character in naughty):
            assert answer.status == 422, naughty
            continue
        assert answer.status == 201, answer.body
        assert pipeline.call("GET", f"/imports/{answer.json['id']}").json["filename"] == naughty
    keys = {row["object_key"] for row in pipeline.sql("select object_key from import")}
    assert keys
    assert all(re.fullmatch(r"uploads/[0-9a-f-]{36}\.csv|uploads/[0-9a-f-]{36}", key) for key in keys), (
        "a key has a name"
    )


def test_a_source_with_a_hostile_name_is_shown_unchanged(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name\nA,one\n,two\n", filename='<b>"\u202e\\evil%s.csv')

    (found,) = pipeline.call("GET", "/products").json["items"]
    assert found["source"]["filename"] == '<b>"\u202e\\evil%s.csv'
