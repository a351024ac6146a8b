"""/webhooks and /deliveries over HTTP: what is refused, what is shown, and what is shown only once."""

from __future__ import annotations

import json
import socket
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import events, limits
from chalicelib.webhooks.outbound.urls import RESERVED_HEADERS
from chalicelib.webhooks.own_headers import RESERVED_HEADERS as OUR_HEADERS
from tests.unit.receiver import header_of, receiver

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

URL = "http://127.0.0.1:9/hook"
"""A closed port. Nothing is sent in these tests."""


def add(pipeline: Pipeline, **more: Any) -> Answer:
    return pipeline.call("POST", "/webhooks", {"url": URL, "events": ["*"], **more})


def pointers(answer: Answer) -> list[str]:
    assert answer.status == 422, answer.body
    return [each["pointer"] for each in answer.json["errors"]]


def test_a_webhook_is_created_read_changed_and_deleted(pipeline: Pipeline) -> None:
    created = add(pipeline, events=["product.created", "import.failed"], description="Søk & \U0001f600 </script>")
    path = created.headers["Location"].removeprefix("/api")
    assert created.status == 201
    shown = created.json
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
    created = add(pipeline).json
    path = f"/webhooks/{created['id']}"
    rotated = pipeline.call("POST", f"{path}/rotate-secret")
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json["secret"] != created["secret"]

    for asked in (
        pipeline.call("GET", path),
        pipeline.call("PATCH", path, {"enabled": False}),
        pipeline.call("GET", "/webhooks"),
    ):
        assert b"whsec_" not in asked.body
    for row in pipeline.sql("select w::text as row from webhook w"):
        for secret in (created["secret"], rotated.json["secret"]):
            assert secret.removeprefix("whsec_") not in row["row"]


def test_a_repeated_request_to_create_a_webhook_gets_the_same_secret(pipeline: Pipeline) -> None:
    body = {"url": URL, "events": ["*"]}
    first = pipeline.call("POST", "/webhooks", body, **{"Idempotency-Key": "once"})
    again = pipeline.call("POST", "/webhooks", body, **{"Idempotency-Key": "once"})

    assert again.json == first.json
    assert len(pipeline.call("GET", "/webhooks").json["items"]) == 1
    assert not [row for row in pipeline.sql("select k::text as row from idempotency_key k") if "whsec_" in row["row"]]


def test_header_values_are_stored_and_never_shown(pipeline: Pipeline) -> None:
    created = add(pipeline, headers={"Authorization": "Bearer hush", "X-Shop": "north"})
    path = f"/webhooks/{created.json['id']}"
    assert created.json["headers"] == {"Authorization": None, "X-Shop": None}
    assert b"hush" not in created.body
    assert "hush" not in json.dumps(pipeline.sql("select w::text from webhook w"))

    changed = pipeline.call("PATCH", path, {"headers": {"Authorization": None, "X-Region": "eu"}})
    assert changed.json["headers"] == {"Authorization": None, "X-Region": None}
    from chalicelib.webhooks import webhooks
    from functions.composition import sending

    with pipeline.backends.database.transaction() as transaction:
        stored = webhooks.get(transaction, uuid.UUID(created.json["id"]))
    assert webhooks.headers_of(sending(), stored) == {"Authorization": "Bearer hush", "X-Region": "eu"}
    assert pointers(pipeline.call("PATCH", path, {"headers": {"X-New": None}})) == ["/headers"]
    assert pipeline.call("PATCH", path, {"headers": {}}).json["headers"] == {}


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS | OUR_HEADERS))
def test_headers_that_every_delivery_has_cannot_be_chosen(pipeline: Pipeline, name: str) -> None:
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
        ("url", "http://１２７.0.0.1/"),
        ("url", "http://127.0.0.1/größe"),
        ("url", "http://127.0.0.1/a b"),
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
        ("headers", {"": "z"}),
        ("headers", {"X": "line\r\nbreak"}),
        ("headers", {"X": "ü"}),
        ("headers", {"X-A": "1", "x-a": "2"}),
        ("headers", {f"X-{number}": "x" for number in range(limits.WEBHOOK_HEADERS_MAX + 1)}),
        ("headers", {"X" * (limits.WEBHOOK_HEADER_NAME_CHARACTERS_MAX + 1): "x"}),
        ("headers", {"X": "x" * (limits.WEBHOOK_HEADER_VALUE_CHARACTERS_MAX + 1)}),
    ],
)
def test_an_invalid_value_is_refused_with_its_field(pipeline: Pipeline, field: str, value: Any) -> None:
    assert {each.split("/")[1] for each in pointers(add(pipeline, **{field: value}))} == {field}
    created = add(pipeline).json
    assert {
        each.split("/")[1] for each in pointers(pipeline.call("PATCH", f"/webhooks/{created['id']}", {field: value}))
    } == {field}


MESSAGES: list[tuple[str, Any, str]] = [
    ("url", "https://shop.example/größe", "Only ASCII characters may follow the host: write %C3%B6 for “ö” (U+00F6),"),
    ("url", "https://shop.example/a b", "The URL contains a space: remove it, or write it as %20 in the path"),
    ("url", "shop.example/hook", "The URL must start with https:// or http://"),
    ("headers", {"Bad Header": "x"}, "The header “Bad Header” has a space in its name: use only letters, digits and"),
    ("headers", {"X-" + "y" * 63: "x"}, f"The header X-{'y' * 62}… has a name of more than 64 characters"),
    ("headers", {"X-Shop": "ü"}, "The value of the header X-Shop must be visible ASCII characters; spaces and tabs"),
    ("headers", {"X-Shop": "x" * 1025}, "The value of the header X-Shop has 1,025 characters; the maximum is 1,024"),
]


@pytest.mark.parametrize(("field", "value", "message"), MESSAGES)
def test_a_refused_url_or_header_has_a_message_in_words(
    pipeline: Pipeline, field: str, value: Any, message: str
) -> None:
    created = add(pipeline).json
    for answer in (
        add(pipeline, **{field: value}),
        pipeline.call("PATCH", f"/webhooks/{created['id']}", {field: value}),
    ):
        assert answer.status == 422
        (error,) = answer.json["errors"]
        assert error["pointer"] == f"/{field}"
        assert error["message"].startswith(message)


def test_an_international_name_is_shown_as_typed_and_used_in_ascii(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"xn--mller-kva.example": "127.0.0.1", "xn--bse-sna.example": "10.0.0.1"}
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: real(names.get(host, host), *more, **named))
    with receiver() as server:
        url = f"http://Müller.example:{server.port}/hook"
        created = add(pipeline, url=url).json
        path = f"/webhooks/{created['id']}"
        pipeline.call("POST", f"{path}/test")
        pipeline.deliver_events()

    assert created["url"] == pipeline.call("GET", path).json["url"] == url
    assert pipeline.sql("select url from webhook") == [{"url": url}]
    assert [header_of(each, "Host") for each in server.requests] == [[f"xn--mller-kva.example:{server.port}"]]
    (delivery,) = pipeline.call("GET", f"{path}/deliveries").json["items"]
    assert delivery["status"] == "delivered"
    (refused,) = pipeline.call("PATCH", path, {"url": "http://böse.example/"}).json["errors"]
    assert refused["message"].startswith(
        "The host böse.example (xn--bse-sna.example) could not be resolved, or has an address that is not public"
    )


def test_an_edit_that_the_caller_has_not_seen_is_not_overwritten(pipeline: Pipeline) -> None:
    created = add(pipeline)
    path = f"/webhooks/{created.json['id']}"
    seen = {"If-Match": created.headers["ETag"]}
    assert pipeline.call("PATCH", path, {"enabled": False}, **seen).status == 200
    for method, body in (("PATCH", {"enabled": True}), ("DELETE", None)):
        assert pipeline.call(method, path, body, **seen).status == 412
    fresh = pipeline.call("GET", path)
    assert pipeline.call("GET", path, **{"If-None-Match": fresh.headers["ETag"]}).status == 304

    pipeline.sql("update webhook set last_at = now(), last_status_code = 200, last_milliseconds = 5")

    assert pipeline.call("GET", path, **{"If-None-Match": fresh.headers["ETag"]}).status == 200, (
        "the last delivery is shown"
    )
    assert pipeline.call("DELETE", path, **{"If-Match": fresh.headers["ETag"]}).status == 204, "but it was not edited"


def test_the_number_of_webhooks_has_a_limit(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.webhooks.webhooks.WEBHOOKS_MAX", 2)
    assert [add(pipeline).status for _ in range(3)] == [201, 201, 409]


def test_webhooks_and_deliveries_are_paged_both_ways(pipeline: Pipeline) -> None:
    ids = [add(pipeline).json["id"] for _ in range(5)][::-1]
    first = pipeline.call("GET", "/webhooks?limit=2").json
    second = pipeline.call("GET", first["next"].removeprefix("/api")).json
    assert [each["id"] for each in first["items"] + second["items"]] == ids[:4]
    assert pipeline.call("GET", second["prev"].removeprefix("/api")).json["items"] == first["items"]

    path = f"/webhooks/{ids[0]}"
    created = [pipeline.call("POST", f"{path}/test").json["id"] for _ in range(3)][::-1]
    pipeline.sql("update delivery set status = 'failed' where id = %s", created[1])
    page = pipeline.call("GET", f"{path}/deliveries?limit=2").json
    assert ([each["id"] for each in page["items"]], page["total"]) == (created[:2], 3)
    rest = pipeline.call("GET", page["next"].removeprefix("/api")).json
    assert [each["id"] for each in rest["items"]] == created[2:]
    waiting = pipeline.call("GET", f"{path}/deliveries?status=pending&limit=1").json
    assert ([each["id"] for each in waiting["items"]], waiting["total"]) == ([created[0]], 2)
    again = pipeline.call("GET", waiting["next"].removeprefix("/api")).json
    assert [each["id"] for each in again["items"]] == [created[2]]
    assert pointers(pipeline.call("GET", f"{path}/deliveries?status=lost")) == ["status"]


def test_deleting_a_webhook_deletes_its_log_but_no_event(pipeline: Pipeline) -> None:
    created = add(pipeline).json
    delivery = pipeline.call("POST", f"/webhooks/{created['id']}/test").json
    pipeline.call("POST", "/products", {"sku": "A", "name": "x"})
    pipeline.call("DELETE", f"/webhooks/{created['id']}")
    pipeline.deliver_events()

    assert pipeline.call("GET", f"/deliveries/{delivery['id']}").status == 404
    assert [each["type"] for each in pipeline.call("GET", "/events").json["items"]] == ["product.created"]


def test_a_webhook_or_delivery_that_does_not_exist_is_not_found(pipeline: Pipeline) -> None:
    missing = uuid.uuid4()
    for path, body in (
        (f"/webhooks/{missing}/test", None),
        (f"/webhooks/{missing}/rotate-secret", None),
        (f"/webhooks/{missing}/redeliver", {"since": "2026-01-01T00:00:00Z"}),
        (f"/deliveries/{missing}/redeliver", None),
    ):
        assert pipeline.call("POST", path, body).status == 404
    assert pipeline.call("GET", f"/webhooks/{missing}/deliveries").status == 404


@pytest.mark.parametrize("since", [0, "yesterday", "2026-11-24", "2026-11-24T09:30:00", None])
def test_a_time_needs_a_zone(pipeline: Pipeline, since: Any) -> None:
    created = add(pipeline).json
    assert pointers(pipeline.call("POST", f"/webhooks/{created['id']}/redeliver", {"since": since})) == ["/since"]


def test_every_type_of_event_can_be_chosen(pipeline: Pipeline) -> None:
    assert add(pipeline, events=[*events.NAMES, "*"]).status == 201
