"""Exports over HTTP: which products they contain, and a file that reads back exactly."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import fault_points, limits
from chalicelib.access import tokens
from chalicelib.catalogue import bulk_deletes, products
from chalicelib.catalogue.listing import Filters
from chalicelib.catalogue.products import Content
from chalicelib.errors import TooMany
from chalicelib.exporting import exports
from infra.local.processes.deadline import wait_until
from tests.integration.test_api import SOME_ID, problem
from tests.support.concurrency import MEET_SECONDS_MAX, workers
from tests.support.exported import add, carry_out, downloaded, export, rows_of, show, skus

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

WAITING = """
    select pid from pg_stat_activity
    where usename <> current_user and (state = 'idle in transaction' or wait_event_type = 'Lock')
"""
"""The transactions that are held at a point or wait for a lock."""
HOSTILE = [
    Content("=1+1", '=cmd|"/c calc"!A0', "+1\t-1", active=False),
    Content("+A;b,c", "@SUM(A1)", '"'),
    Content('"', "'", '""', active=False),
    Content("a,b", ",", ","),
    Content('6" nail', 'say "hi", twice', 'ends with a quote"'),
    Content("back\\slash", "\\N", "\\.\\n\\"),
    Content("cr", "lone CR", "\r"),
    Content("lf", "lone LF", "\n"),
    Content("crlf", "both", "a\r\nb\r\n"),
    Content("mixed", "all of them", "\n\r\r\n\n a \r\t"),
    Content("spaces", "in  between", "  leading and trailing \t "),
    Content("Ünï-ß-İ", "e\u0301 and é", "\u2028 \x85 \x0b \x1c \ufeff \U0001f9e8\U0001f468\u200d\U0001f469"),
    Content("empty", "no description", "", active=False),
    Content("long", "n" * limits.NAME_CHARACTERS_MAX, '"\r\n,' * (limits.DESCRIPTION_BYTES_MAX // 4)),
    Content("s" * limits.SKU_CHARACTERS_MAX, "a|b;c\td", "SKU,name"),
]


def test_importing_an_export_again_changes_nothing(pipeline: Pipeline) -> None:
    add(pipeline, *HOSTILE)
    look = "select id, sku, name, description, active, content_version, created_at, updated_at from product order by id"
    before = pipeline.sql(look)

    ended = export(pipeline)
    content = downloaded(ended)
    receipt = pipeline.run(content)

    written = {each.sku: [each.sku, each.name, each.description, str(each.active).lower()] for each in HOSTILE}
    assert {row[0]: row for row in rows_of(content)} == written
    assert content.startswith(b"sku,name,description,active\r\n")
    assert receipt["status"] == "completed"
    assert receipt["rows"]["unchanged"] == receipt["rows"]["total"] == ended["rows"] == len(HOSTILE)
    assert pipeline.sql(look) == before


def test_an_export_can_be_requested_watched_and_downloaded(pipeline: Pipeline) -> None:
    add(pipeline, Content("A", "a"))
    accepted = pipeline.call("POST", "/exports", {})
    export_id = accepted.json["id"]

    assert (accepted.status, accepted.headers["Location"]) == (202, f"/api/exports/{export_id}")
    assert accepted.headers["Retry-After"] == show(pipeline, export_id).headers["Retry-After"] == "1"
    empty = {"status": "pending", "rows": 0, "percent": 0, "error": None, "download": None, "finished_at": None}
    assert empty.items() <= accepted.json.items()
    completed = carry_out(pipeline, export_id)
    answer = show(pipeline, export_id)
    assert (completed["status"], completed["rows"], completed["percent"]) == ("completed", 1, 100)
    assert downloaded(completed) == b"sku,name,description,active\r\nA,a,,true\r\n"
    assert "Retry-After" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert completed["created_at"] < completed["finished_at"] < completed["download"]["expires_at"]


def test_the_export_of_an_empty_catalogue_has_only_a_header(pipeline: Pipeline) -> None:
    assert skus(export(pipeline)) == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["100%", "a_b", "a\\b", "axb", "éclair"]),
        ({"sku": "A"}, ["a_b", "a\\b", "axb", "éclair"]),
        ({"sku": "%"}, ["100%"]),
        ({"sku": "_"}, ["a_b"]),
        ({"sku": "\\"}, ["a\\b"]),
        ({"sku": "ÉCL"}, ["éclair"]),
        ({"name": "BLUE"}, ["a_b", "axb"]),
        ({"description": "σ"}, ["axb"]),
        ({"active": False}, ["a\\b", "axb"]),
        ({"name": "blue", "active": True}, ["a_b"]),
        ({"name": "blue", "sku": "100"}, []),
        ({"q": "blue"}, ["100%", "a_b", "axb"]),
        ({"q": "%"}, ["100%"]),
        ({"q": "", "sku": None}, ["100%", "a_b", "a\\b", "axb", "éclair"]),
        ({"sku": "'; drop table export; --"}, []),
    ],
)
def test_filters_match_as_case_insensitive_literal_substrings(
    pipeline: Pipeline, filters: dict[str, Any], expected: list[str]
) -> None:
    add(
        pipeline,
        Content("100%", "one", "almost Blue"),
        Content("a_b", "Blue", ""),
        Content("axb", "light blue", "ΑΣΑ", active=False),
        Content("a\\b", "x", "", active=False),
        Content("éclair", "cake", ""),
    )

    assert skus(export(pipeline, **filters)) == sorted(expected, key=lambda sku: sku.encode())


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"sku": 1}, "/sku"),
        ({"active": "true"}, "/active"),
        ({"colour": "red"}, "/colour"),
        ({"q": "a\0b"}, "/q"),
        ({"name": "x" * (limits.FILTER_CHARACTERS_MAX + 1)}, "/name"),
        (b'{"q": "\\ud800"}', "/q"),
    ],
)
def test_a_wrong_filter_is_refused(pipeline: Pipeline, body: object, pointer: str) -> None:
    content = problem(pipeline.call("POST", "/exports", body), 422)

    assert [each["pointer"] for each in content["errors"]] == [pointer]
    assert pipeline.sql("select 1 from export") == []


@pytest.mark.parametrize("export_id", [SOME_ID, "1", "x" * 500])
def test_an_unknown_export_is_not_found(pipeline: Pipeline, export_id: str) -> None:
    assert problem(show(pipeline, export_id), 404)["code"] == "not_found"


def test_the_number_of_unfinished_exports_is_limited(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.exports.EXPORTS_UNFINISHED_PER_TOKEN_MAX", 1)
    other = tokens.install(pipeline.services.owner_conninfo, "other", ["read"])
    first = pipeline.call("POST", "/exports", {}).json

    refused = pipeline.call("POST", "/exports", {})
    assert problem(refused, 429)["code"] == "too_many_exports"
    assert refused.headers["Retry-After"] == str(limits.UNFINISHED_RETRY_SECONDS)
    assert pipeline.call("POST", "/exports", {}, Authorization=f"Bearer {other}").status == 202
    carry_out(pipeline, first["id"])
    assert pipeline.call("POST", "/exports", {}).status == 202


def test_requests_at_the_same_moment_cannot_exceed_the_limit(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.exporting.exports.EXPORTS_UNFINISHED_PER_TOKEN_MAX", 1)
    token_id = uuid.uuid4()
    released = threading.Event()

    def hold(point: str) -> None:
        if point == "export.before_accept_commit":
            assert released.wait(MEET_SECONDS_MAX)

    with workers(2) as backends, fault_points.switched_on(hold), ThreadPoolExecutor(2) as pool:
        requests = [pool.submit(exports.accept, each, Filters(), token_id) for each in backends]
        try:
            wait_until(lambda: len(pipeline.sql(WAITING)) == 2, MEET_SECONDS_MAX, "both held or waiting")
        finally:
            released.set()
        errors = [each.exception() for each in requests]

    assert [type(each) for each in errors if each is not None] == [TooMany]
    assert len(pipeline.sql("select id from export")) == 1


def test_deleted_products_are_not_exported(pipeline: Pipeline) -> None:
    add(pipeline, Content("A", "a"), Content("B", "b"))
    products.delete(pipeline.backends, pipeline.sql("select id from product where sku = 'A'")[0]["id"])
    assert skus(export(pipeline)) == ["B"]

    bulk_deletes.accept(pipeline.backends)  # Its rows are still there: it is not carried out.
    add(pipeline, Content("C", "c"))
    assert skus(export(pipeline)) == ["C"]


def test_an_export_without_its_file_has_no_link(pipeline: Pipeline) -> None:
    ended = export(pipeline)
    version = pipeline.sql("select object_version from export")[0]["object_version"]
    pipeline.s3.delete_object(
        Bucket=pipeline.services.bucket, Key=exports.EXPORTS_PREFIX + ended["id"] + ".csv", VersionId=version
    )

    again = show(pipeline, ended["id"]).json
    assert (again["status"], again["download"]) == ("completed", None)


@pytest.mark.parametrize(("path", "body"), [("/exports", {}), ("/bulk-deletes", {"confirm": "DELETE ALL"})])
def test_exports_and_bulk_deletes_are_listed_newest_first(pipeline: Pipeline, path: str, body: dict[str, Any]) -> None:
    ids = [pipeline.call("POST", path, body).json["id"] for _ in range(5)][::-1]
    first = pipeline.call("GET", f"{path}?limit=2").json
    second = pipeline.call("GET", first["next"].removeprefix("/api")).json
    assert [each["id"] for each in first["items"] + second["items"]] == ids[:4]
    assert (first["total"], first["prev"]) == (5, None)
    assert pipeline.call("GET", second["prev"].removeprefix("/api")).json["items"] == first["items"]
    assert problem(pipeline.call("GET", f"{path}?cursor=x"), 422)["errors"][0]["pointer"] == "cursor"


def test_an_export_in_the_list_has_no_link(pipeline: Pipeline) -> None:
    add(pipeline, Content("A", "one"))
    ended = export(pipeline)
    (listed,) = pipeline.call("GET", "/exports").json["items"]
    assert {**listed, "download": ended["download"]} == ended
