"""/webhooks and /deliveries over HTTP: what is refused, what is shown, and what is never shown again."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import events, limits
from chalicelib.webhooks.outbound.urls import RESERVED_HEADERS
from chalicelib.webhooks.webhooks import RESERVED_HEADERS as OUR_HEADERS

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

URL = "http://127.0.0.1:9/hook"
"""Nobody listens there, and nothing is sent in these tests."""


def add(pipeline: Pipeline, **more: Any) -> Answer:
    return pipeline.call("POST", "/webhooks", {"url": URL, "events": ["*"], **more})


def pointers(answer: Answer) -> list[str]:
    assert answer.status == 422, answer.body
    return [each["pointer"] for each in answer.json["errors"]]


def test_a_webhook_is_made_read_changed_and_deleted(pipeline: Pipeline) -> None:
    made = add(pipeline, events=["product.created", "import.failed"], description="Søk & \U0001f600 </script>")
    path = made.headers["Location"].removeprefix("/api")
    assert made.status == 201
    shown = made.json
    assert shown.pop("secret").startswith("whsec_")
    assert shown == {
        "id": path.rpartition("/")[2], "url": URL, "description": "Søk & \U0001f600 </script>",
        "events": ["product.created", "import.failed"], "enabled": True, "disabled_reason": None, "headers": {},
        "failing_since": None, "last_delivery": None, "secret_expires_at": None,
        "created_at": shown["created_at"], "updated_at": shown["updated_at"],
    }  # fmt: skip
    assert pipeline.call("GET", path).json == shown
    assert pipeline.call("GET", "/webhooks").json["items"] == [shown]

    changed = pipeline.call("PATCH", path, {"events": ["*"], "enabled": False}).json
    assert (changed["events"], changed["enabled"], changed["description"]) == (["*"], False, shown["description"])

    assert pipeline.call("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        assert pipeline.call(method, path).status == 404


def test_the_secret_is_shown_once(pipeline: Pipeline) -> None:
    made = add(pipeline).json
    path = f"/webhooks/{made['id']}"
    rotated = pipeline.call("POST", f"{path}/rotate-secret")
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json["secret"] != made["secret"]

    for asked in (
        pipeline.call("GET", path),
        pipeline.call("PATCH", path, {"enabled": False}),
        pipeline.call("GET", "/webhooks"),
    ):
        assert b"whsec_" not in asked.body
    for row in pipeline.sql("select w::text as row from webhook w"):
        for secret in (made["secret"], rotated.json["secret"]):
            assert secret.removeprefix("whsec_") not in row["row"]


def test_whoever_repeats_the_request_that_made_it_gets_the_same_secret(pipeline: Pipeline) -> None:
    body = {"url": URL, "events": ["*"]}
    first = pipeline.call("POST", "/webhooks", body, **{"Idempotency-Key": "once"})
    again = pipeline.call("POST", "/webhooks", body, **{"Idempotency-Key": "once"})

    assert again.json == first.json
    assert len(pipeline.call("GET", "/webhooks").json["items"]) == 1
    assert not [row for row in pipeline.sql("select k::text as row from idempotency_key k") if "whsec_" in row["row"]]


def test_values_of_headers_are_kept_and_never_shown(pipeline: Pipeline) -> None:
    made = add(pipeline, headers={"Authorization": "Bearer hush", "X-Shop": "north"})
    path = f"/webhooks/{made.json['id']}"
    assert made.json["headers"] == {"Authorization": None, "X-Shop": None}
    assert b"hush" not in made.body
    assert "hush" not in json.dumps(pipeline.sql("select w::text from webhook w"))

    changed = pipeline.call("PATCH", path, {"headers": {"Authorization": None, "X-Region": "eu"}})
    assert changed.json["headers"] == {"Authorization": None, "X-Region": None}
    from chalicelib.webhooks import webhooks
    from functions.composition import sending

    (row,) = pipeline.sql("select * from webhook")
    assert webhooks.headers_of(sending(), row) == {"Authorization": "Bearer hush", "X-Region": "eu"}
    assert pointers(pipeline.call("PATCH", path, {"headers": {"X-New": None}})) == ["/headers"]
    assert pipeline.call("PATCH", path, {"headers": {}}).json["headers"] == {}


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS | OUR_HEADERS))
def test_headers_of_the_delivery_itself_cannot_be_chosen(pipeline: Pipeline, name: str) -> None:
    assert pointers(add(pipeline, headers={name.title(): "x"})) == ["/headers"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://example.com/"),
        ("url", "http://169.254.169.254/latest/meta-data/"),
        ("url", "http://10.0.0.1/"),
        ("url", "http://user@127.0.0.1/"),
        ("url", "http://[::ffff:10.0.0.1]/"),
        ("url", "http://127.0.0.1/#fragment"),
        ("url", "http://name.invalid/"),
        ("url", "http://127.0.0.1/" + "x" * limits.URL_CHARACTERS_MAX),
        ("url", ""),
        ("url", None),
        ("events", []),
        ("events", ["product.exploded"]),
        ("events", ["product.*"]),
        ("events", ["*", "*"]),
        ("events", "*"),
        ("description", "x" * (limits.WEBHOOK_DESCRIPTION_CHARACTERS_MAX + 1)),
        ("enabled", "yes"),
        ("headers", {"X Y": "z"}),
        ("headers", {"X": "line\r\nbreak"}),
        ("headers", {"X": "ü"}),
        ("headers", {"X-A": "1", "x-a": "2"}),
        ("headers", {f"X-{number}": "x" for number in range(limits.WEBHOOK_HEADERS_MAX + 1)}),
        ("headers", {"X" * (limits.WEBHOOK_HEADER_NAME_CHARACTERS_MAX + 1): "x"}),
        ("headers", {"X": "x" * (limits.WEBHOOK_HEADER_VALUE_CHARACTERS_MAX + 1)}),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(pipeline: Pipeline, field: str, value: Any) -> None:
    assert {each.split("/")[1] for each in pointers(add(pipeline, **{field: value}))} == {field}
    made = add(pipeline).json
    assert {
        each.split("/")[1] for each in pointers(pipeline.call("PATCH", f"/webhooks/{made['id']}", {field: value}))
    } == {field}


def test_whoever_has_not_seen_the_last_edit_cannot_write_over_it(pipeline: Pipeline) -> None:
    made = add(pipeline)
    path = f"/webhooks/{made.json['id']}"
    seen = {"If-Match": made.headers["ETag"]}
    assert pipeline.call("PATCH", path, {"enabled": False}, **seen).status == 200
    for method, body in (("PATCH", {"enabled": True}), ("DELETE", None)):
        assert pipeline.call(method, path, body, **seen).status == 412
    fresh = pipeline.call("GET", path)
    assert pipeline.call("GET", path, **{"If-None-Match": fresh.headers["ETag"]}).status == 304

    pipeline.sql("update webhook set last_at = now(), last_status_code = 200, last_milliseconds = 5")

    assert pipeline.call("GET", path, **{"If-None-Match": fresh.headers["ETag"]}).status == 200, "there is news"
    assert pipeline.call("DELETE", path, **{"If-Match": fresh.headers["ETag"]}).status == 204, "but nobody edited it"


def test_there_may_be_so_many(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.webhooks.webhooks.WEBHOOKS_MAX", 2)
    assert [add(pipeline).status for _ in range(3)] == [201, 201, 409]


def test_webhooks_and_deliveries_are_paged_both_ways(pipeline: Pipeline) -> None:
    ids = [add(pipeline).json["id"] for _ in range(5)][::-1]
    first = pipeline.call("GET", "/webhooks?limit=2").json
    second = pipeline.call("GET", first["next"].removeprefix("/api")).json
    assert [each["id"] for each in first["items"] + second["items"]] == ids[:4]
    assert pipeline.call("GET", second["prev"].removeprefix("/api")).json["items"] == first["items"]

    path = f"/webhooks/{ids[0]}"
    made = [pipeline.call("POST", f"{path}/test").json["id"] for _ in range(3)][::-1]
    pipeline.sql("update delivery set status = 'failed' where id = %s", made[1])
    page = pipeline.call("GET", f"{path}/deliveries?limit=2").json
    assert ([each["id"] for each in page["items"]], page["total"]) == (made[:2], 3)
    rest = pipeline.call("GET", page["next"].removeprefix("/api")).json
    assert [each["id"] for each in rest["items"]] == made[2:]
    waiting = pipeline.call("GET", f"{path}/deliveries?status=pending&limit=1").json
    assert ([each["id"] for each in waiting["items"]], waiting["total"]) == ([made[0]], 2)
    again = pipeline.call("GET", waiting["next"].removeprefix("/api")).json
    assert [each["id"] for each in again["items"]] == [made[2]]
    assert pointers(pipeline.call("GET", f"{path}/deliveries?status=lost")) == ["status"]


def test_deleting_a_webhook_deletes_its_log_but_no_event(pipeline: Pipeline) -> None:
    made = add(pipeline).json
    delivery = pipeline.call("POST", f"/webhooks/{made['id']}/test").json
    pipeline.call("POST", "/products", {"sku": "A", "name": "x"})
    pipeline.call("DELETE", f"/webhooks/{made['id']}")
    pipeline.tell()

    assert pipeline.call("GET", f"/deliveries/{delivery['id']}").status == 404
    assert [each["type"] for each in pipeline.call("GET", "/events").json["items"]] == ["product.created"]


def test_what_is_not_there_cannot_be_tested_rotated_or_sent_again(pipeline: Pipeline) -> None:
    nobody = uuid.uuid4()
    for path, body in (
        (f"/webhooks/{nobody}/test", None),
        (f"/webhooks/{nobody}/rotate-secret", None),
        (f"/webhooks/{nobody}/redeliver", {"since": "2026-01-01T00:00:00Z"}),
        (f"/deliveries/{nobody}/redeliver", None),
    ):
        assert pipeline.call("POST", path, body).status == 404
    assert pipeline.call("GET", f"/webhooks/{nobody}/deliveries").status == 404


@pytest.mark.parametrize("since", [0, "yesterday", "2026-11-24", "2026-11-24T09:30:00", None])
def test_a_time_needs_a_zone(pipeline: Pipeline, since: Any) -> None:
    made = add(pipeline).json
    assert pointers(pipeline.call("POST", f"/webhooks/{made['id']}/redeliver", {"since": since})) == ["/since"]


def test_every_type_of_event_can_be_chosen(pipeline: Pipeline) -> None:
    assert add(pipeline, events=[*events.NAMES, "*"]).status == 201
