"""Idempotency-Key: what is sent twice is carried out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chalice.app import Request, Response

from chalicelib import limits
from chalicelib.access import idempotency, tokens
from chalicelib.access.idempotency import Claim, Outcome
from chalicelib.backends.database import Database
from chalicelib.errors import Conflict, Transient
from chalicelib.importing import imports
from chalicelib.repair import sweeping
from functions.api.endpoints import Endpoint
from functions.api.idempotency import once
from tests.support.concurrency import together, workers

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

NEW = {"filename": "a.csv", "size_bytes": 5}
KEY = "Idempotency-Key"


def post(pipeline: Pipeline, key: str, body: object = NEW, **headers: str) -> Answer:
    """Registers an import under a key."""
    return pipeline.call("POST", "/imports", body, **{KEY: key}, **headers)


def test_a_repeated_request_makes_one_import_and_is_answered_with_a_fresh_link(pipeline: Pipeline) -> None:
    first, second = post(pipeline, "k"), post(pipeline, "k")

    assert (first.status, second.status) == (201, 201)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    link, again = first.json.pop("upload"), second.json.pop("upload")
    assert {**second.json, "upload": None} == {**first.json, "upload": None}
    assert link["url"].partition("?")[0] == again["url"].partition("?")[0]
    assert pipeline.dropped_imports() == [first.json["id"]]


def test_no_presigned_link_is_ever_stored(pipeline: Pipeline) -> None:
    made = post(pipeline, "k")

    (stored,) = pipeline.sql("select * from idempotency_key")

    assert (stored["body"], stored["reference"]) == (None, made.json["id"])
    assert "X-Amz" not in str(stored)


def test_a_repeated_answer_has_no_link_once_the_file_is_there(pipeline: Pipeline) -> None:
    first = post(pipeline, "k")
    pipeline.call("POST", f"/imports/{first.json['id']}/cancel")
    second = post(pipeline, "k")

    assert (second.status, second.json["status"], second.json["upload"]) == (201, "cancelled", None)


def test_a_fresh_link_is_waited_for_as_long_as_it_lives(pipeline: Pipeline) -> None:
    first = post(pipeline, "k").json
    pipeline.sql("update import set upload_expires_at = now() - interval '59 minutes'")
    post(pipeline, "k")
    pipeline.sql("update import set upload_expires_at = upload_expires_at - interval '119 minutes'")
    sweeping.sweep(pipeline.backends)
    assert pipeline.show(first["id"])["status"] == "pending"


def test_a_key_belongs_to_one_request_of_one_token(pipeline: Pipeline) -> None:
    first = post(pipeline, "k")

    reused = post(pipeline, "k", {"filename": "b.csv", "size_bytes": 5})
    other = tokens.install(pipeline.services.owner_conninfo, "other", ["write"])
    elsewhere = post(pipeline, "k", Authorization=f"Bearer {other}")

    assert (reused.status, reused.json["code"]) == (422, "idempotency_key_reused")
    assert elsewhere.status == 201
    assert elsewhere.json["id"] != first.json["id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "a\tb", "\x7f"])
def test_a_key_is_visible_ascii(pipeline: Pipeline, key: str) -> None:
    refused = post(pipeline, key)

    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"] == KEY
    assert post(pipeline, "!" * 255).status == 201


def test_a_request_that_runs_is_not_carried_out_beside_itself(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, seen = imports.register, []

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(imports, "register", register)
        seen.append(post(pipeline, "k"))
        return register(*arguments)

    monkeypatch.setattr(imports, "register", meanwhile)
    first = post(pipeline, "k")

    assert [(each.status, each.json["code"]) for each in seen] == [(409, "idempotency_key_in_use")]
    assert first.status == 201
    assert post(pipeline, "k").json["id"] == first.json["id"]
    assert len(pipeline.dropped_imports()) == 1


def test_of_two_at_once_one_may_run(pipeline: Pipeline) -> None:
    (token,) = pipeline.sql("select id from api_token where name = 'tests' and revoked_at is null")
    with workers(2) as both:
        for attempt in range(30):
            found: list[object] = []

            def work(database: Database, key: str = f"k{attempt}", found: list[object] = found) -> None:
                try:
                    found.append(idempotency.claim(database, token["id"], key, b"s" * 32))
                except Conflict:
                    found.append("refused")

            together(*[lambda each=each: work(each.database) for each in both])
            assert sorted(type(each).__name__ for each in found) == ["Claim", "str"]


@pytest.mark.parametrize("error", [Transient("the network"), ValueError("a bug")])
def test_a_request_that_failed_frees_its_key(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(imports, "register", fail)
        assert post(pipeline, "k").status in {500, 503}

    assert post(pipeline, "k", {"filename": "mended.csv", "size_bytes": 5}).status == 201


def test_a_killed_request_frees_its_key_after_a_minute_and_can_write_no_more(pipeline: Pipeline) -> None:
    database = pipeline.backends.database
    (token,) = pipeline.sql("select id from api_token where name = 'tests' and revoked_at is null")
    killed = idempotency.claim(database, token["id"], "k", b"s" * 32)
    assert isinstance(killed, Claim)
    with pytest.raises(Conflict):
        idempotency.claim(database, token["id"], "k", b"s" * 32)

    seconds = limits.IDEMPOTENCY_CLAIM_SECONDS + 1
    pipeline.sql("update idempotency_key set claimed_at = claimed_at - make_interval(secs => %s)", seconds)
    second = idempotency.claim(database, token["id"], "k", b"s" * 32)
    assert isinstance(second, Claim)
    idempotency.finish(database, killed, Outcome(201, {}, body="of the killed one"))
    idempotency.release(database, killed)
    idempotency.finish(database, second, Outcome(201, {}, body="of the second"))

    assert idempotency.claim(database, token["id"], "k", b"s" * 32) == Outcome(201, {}, body="of the second")


def test_keys_are_forgotten_after_a_day_and_swept(pipeline: Pipeline) -> None:
    first = post(pipeline, "old").json["id"]
    post(pipeline, "young")
    seconds = limits.IDEMPOTENCY_KEY_SECONDS + 1
    pipeline.sql("update idempotency_key set claimed_at = now() - make_interval(secs => %s) where key = 'old'", seconds)
    assert post(pipeline, "old").json["id"] != first
    pipeline.sql("update idempotency_key set claimed_at = now() - make_interval(secs => %s) where key = 'old'", seconds)

    sweeping.sweep(pipeline.backends)

    assert [row["key"] for row in pipeline.sql("select key from idempotency_key")] == ["young"]


def test_a_route_without_secrets_answers_word_for_word_again(pipeline: Pipeline) -> None:
    (token,) = pipeline.sql("select id from api_token where name = 'tests' and revoked_at is null")
    made: list[int] = []

    def create_thing() -> Response:
        made.append(len(made))
        body = f'{{"thing": {len(made)}}}'
        return Response(body=body, status_code=202, headers={"Location": "/api/things/1", "ETag": '"1"'})

    endpoint = Endpoint("POST", "/things", "write", create_thing, idempotent=True)
    first, second = (once(request_of(str(token["id"])), endpoint, create_thing) for _ in range(2))

    assert made == [0]
    assert (second.status_code, second.body) == (first.status_code, first.body)
    assert second.headers == {**first.headers, "Idempotent-Replayed": "true"}


def request_of(token_id: str) -> Request:
    """A POST with a key, as API Gateway hands it over."""
    return Request(
        {
            "requestContext": {
                "httpMethod": "POST",
                "resourcePath": "/things",
                "authorizer": {"token_id": token_id},
            },
            "headers": {"idempotency-key": "k"},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "body": "{}",
        }
    )
