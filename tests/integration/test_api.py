"""The HTTP API: who may do what, what is answered, and how errors look. Imports have theirs here too."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from chalicelib import limits
from chalicelib.access import tokens

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

SOME_ID = str(uuid.UUID(int=1))


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The body of a problem answer, checked for its shape."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    content: dict[str, Any] = answer.json
    assert set(content) == {"type", "title", "status", "code", "detail", "errors"}
    assert content["status"] == status
    return content


def test_health_is_open_to_everyone(pipeline: Pipeline) -> None:
    assert pipeline.call("GET", "/health").json == {"status": "ok"}


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Bearer ", "Basic abc", "", "Bearer \udc80"])
def test_an_unknown_token_is_refused(pipeline: Pipeline, authorization: str) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):  # What API Gateway answers with 401.
        pipeline.call("GET", "/imports", Authorization=authorization)


def test_a_replaced_token_is_refused_and_only_its_hash_was_ever_stored(pipeline: Pipeline) -> None:
    old = tokens.install(pipeline.services.owner_conninfo, "shop", ["admin"])
    assert pipeline.call("GET", "/imports", Authorization=f"bearer {old}").status == 200
    tokens.install(pipeline.services.owner_conninfo, "shop", ["admin"])

    with pytest.raises(Exception, match=r"^Unauthorized$"):
        pipeline.call("GET", "/imports", Authorization=f"Bearer {old}")
    stored = pipeline.sql("select * from api_token where name = 'shop'")
    assert old not in str(stored)
    assert {row["last_used_at"] is not None for row in stored if row["revoked_at"]} == {True}


def test_registering_gives_a_link_that_takes_exactly_the_promised_file_once(pipeline: Pipeline) -> None:
    answer = pipeline.call("POST", "/imports", {"filename": "März.csv", "size_bytes": 14})
    registered = answer.json
    upload = registered["upload"]

    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/imports/{registered['id']}"
    assert (registered["status"], registered["filename"], registered["percent"]) == ("pending", "März.csv", 0)
    expires_in = datetime.fromisoformat(upload["expires_at"]) - datetime.now(UTC)
    assert timedelta(0) < expires_in <= timedelta(seconds=limits.UPLOAD_EXPIRES_SECONDS)

    def put(content: bytes, **headers: str) -> int:
        sent = {**upload["headers"], **headers}
        return requests.put(upload["url"], data=content, headers=sent, timeout=10).status_code

    assert put(b"sku,name\nA,b\n\nX") == 403, "one byte more than promised"
    assert put(b"sku,name\nA,b\n", **{"Content-Type": "text/html"}) == 403
    unprotected = {"Content-Type": upload["headers"]["Content-Type"]}
    answer_without = requests.put(upload["url"], data=b"sku,name\nA,b\n\n", headers=unprotected, timeout=10)
    assert answer_without.status_code == 403, "nobody can leave out the header that keeps files from being replaced"
    assert put(b"sku,name\nA,b\n\n") == 200
    assert put(b"sku,name\nA,c\n\n") == 412, "what is uploaded cannot be replaced"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filename": "a.csv"}, "/size_bytes"),
        ({"filename": "a.csv", "size_bytes": "5"}, "/size_bytes"),
        ({"filename": "a.csv", "size_bytes": 0}, "/size_bytes"),
        ({"filename": "a.csv", "size_bytes": 5.5}, "/size_bytes"),
        ({"filename": "a.csv", "size_bytes": limits.FILE_BYTES_MAX + 1}, "/size_bytes"),
        ({"filename": "", "size_bytes": 5}, "/filename"),
        ({"filename": "a\0.csv", "size_bytes": 5}, "/filename"),
        ({"filename": "x" * 256, "size_bytes": 5}, "/filename"),
        ({"filename": "a.csv", "size_bytes": 5, "encoding": "klingon"}, "/encoding"),
        ({"filename": "a.csv", "size_bytes": 5, "colour": 1}, "/colour"),
        ([], "/"),
        (b"{", "/"),
        (b"\xff", "/"),
        (b'{"filename": "\\ud800", "size_bytes": 5}', "/filename"),
        (b"[" * 10_000, "/"),
    ],
)
def test_a_wrong_body_is_answered_with_a_pointer_to_what_is_wrong(
    pipeline: Pipeline, body: object, pointer: str
) -> None:
    content = problem(pipeline.call("POST", "/imports", body), 422)

    assert [each["pointer"] for each in content["errors"]] == [pointer]
    assert content["code"] == "invalid"
    assert pipeline.dropped_imports() == []


def test_a_whole_number_may_be_written_as_json_schema_allows(pipeline: Pipeline) -> None:
    body = b'{"filename": "a.csv", "size_bytes": 5.0}'
    assert pipeline.call("POST", "/imports", body).json["bytes"]["total"] == 5


@pytest.mark.parametrize("import_id", [SOME_ID, "1", "x" * 500, "'; drop table import; --"])
def test_an_unknown_import_is_not_found(pipeline: Pipeline, import_id: str) -> None:
    assert problem(pipeline.call("GET", f"/imports/{import_id}"), 404)["code"] == "not_found"


def test_an_import_that_has_not_changed_is_answered_with_304(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name\nA,b\n")
    path = f"/imports/{ended['id']}"
    etag = pipeline.call("GET", path).headers["ETag"]

    unchanged = pipeline.call("GET", path, **{"If-None-Match": etag})

    assert (unchanged.status, unchanged.body) == (304, b"")
    assert pipeline.call("GET", path, **{"If-None-Match": '"other"'}).status == 200


def test_the_history_pages_forward_and_back(pipeline: Pipeline) -> None:
    made = [pipeline.register(5)["id"] for _ in range(5)][::-1]

    first = pipeline.call("GET", "/imports?limit=2")
    second = pipeline.call("GET", first.json["next"].removeprefix("/api"))
    third = pipeline.call("GET", second.json["next"].removeprefix("/api"))
    back = pipeline.call("GET", third.json["prev"].removeprefix("/api"))

    assert [each["id"] for page in (first, second, third) for each in page.json["items"]] == made
    assert [each["id"] for each in back.json["items"]] == made[2:4]
    assert (first.json["prev"], third.json["next"]) == (None, None)
    assert (first.json["total"], first.json["total_is_estimate"]) == (5, False)
    assert second.headers["Link"] == f'<{second.json["next"]}>; rel="next", <{second.json["prev"]}>; rel="prev"'


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=2&limit=3", "cursor=x", "cursor=e30", "cursor="]
)
def test_a_wrong_window_is_refused(pipeline: Pipeline, query: str) -> None:
    content = problem(pipeline.call("GET", f"/imports?{query}"), 422)

    assert content["errors"][0]["pointer"] == query.partition("=")[0]


def test_rejected_rows_page_by_line(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name\n" + b",x\n" * 5)

    first = pipeline.call("GET", f"/imports/{ended['id']}/rejected-rows?limit=3").json
    second = pipeline.call("GET", first["next"].removeprefix("/api")).json
    back = pipeline.call("GET", second["prev"].removeprefix("/api")).json

    assert [[row["line"] for row in page["items"]] for page in (first, second, back)] == [[2, 3, 4], [5, 6], [2, 3, 4]]
    assert first["total"] == 5


def test_a_cancelled_import_keeps_what_was_written_and_takes_nothing_more(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 6)
    import_id = pipeline.upload(b"sku,name\nA,b\nB,c\nC,d\n")
    pipeline.split_next(seconds=60)
    first, *rest = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)

    cancelled = pipeline.call("POST", f"/imports/{import_id}/cancel")
    for message in rest:
        pipeline.deliver("upsert_chunk", message)

    assert cancelled.json["status"] == "cancelled"
    assert len(rest) == 2
    assert len(pipeline.products()) == 1
    assert pipeline.show(import_id)["rows"]["total"] == 1
    assert problem(pipeline.call("POST", f"/imports/{import_id}/cancel"), 409)["code"] == "import_ended"


def test_an_upload_that_arrives_after_it_was_cancelled_is_not_imported(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(b"sku,name\nA,b\n")
    pipeline.call("POST", f"/imports/{import_id}/cancel")

    assert pipeline.split_next()

    assert pipeline.show(import_id)["status"] == "cancelled"
    assert pipeline.dropped_imports() == [import_id]
    assert pipeline.products() == {}


def test_retry_says_why_it_cannot_help(pipeline: Pipeline) -> None:
    completed = pipeline.run(b"sku,name\nA,b\n")
    unreadable = pipeline.run(b"price\n1\n")

    assert problem(pipeline.call("POST", f"/imports/{completed['id']}/retry"), 409)["code"] == "import_not_failed"
    refused = problem(pipeline.call("POST", f"/imports/{unreadable['id']}/retry"), 409)
    assert refused["code"] == "not_retryable"
    assert "neither a sku nor a name column" in refused["detail"]


def test_the_throughput_tells_how_many_rows_were_done_when(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 6)
    import_id = pipeline.upload(b"sku,name\n" + b"A,b\n" * 5)
    path = f"/imports/{import_id}/throughput"
    assert pipeline.call("GET", path).json == {"step_seconds": 0, "rows": []}
    pipeline.finish(import_id)

    # Two parts to a stretch: five make three, of three seconds each.
    for number, seconds in enumerate((1, 2, 7, 8, 9)):
        pipeline.sql(
            "update chunk set done_at = (select started_at from import where id = import_id)"
            " + make_interval(secs => %s) where import_id = %s and number = %s",
            seconds,
            import_id,
            number + pipeline.sql("select min(number) as first from chunk")[0]["first"],
        )
    assert pipeline.call("GET", path).json == {"step_seconds": 3, "rows": [2, 0, 3]}

    monkeypatch.setattr("functions.api.imports.THROUGHPUT_STEPS_MAX", 2)
    assert pipeline.call("GET", path).json == {"step_seconds": 4.5, "rows": [2, 3]}
    assert problem(pipeline.call("GET", f"/imports/{SOME_ID}/throughput"), 404)["code"] == "not_found"
