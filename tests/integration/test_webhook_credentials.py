"""Stored credentials of a webhook, and what happens to them while it is edited."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from standardwebhooks import Webhook as Verifier

from chalicelib.access import tokens
from chalicelib.backends.sealing import LocalKey
from chalicelib.limits import WRITE_ATTEMPTS_MAX
from tests.integration.webhooks import subscribe
from tests.support.hook_server import hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

URL = "http://127.0.0.1:9/hook"
"""A closed port."""
HUSH = {"Authorization": "Bearer hush-hush"}
KEPT = {"Authorization": None}
WhileSealing = Callable[[Callable[[], object]], None]


def sealed_by_an_earlier_version(plain: str, webhook: dict[str, Any]) -> bytes:
    """Sealed for the whole row, as all values were before each had its column."""
    key, nonce = Path(os.environ["WEBHOOK_KEY_FILE"]).read_bytes(), b"n" * 12
    context = b"\x01" + f"webhook:{webhook['id']}".encode()
    return b"\x01" + nonce + AESGCM(key).encrypt(nonce, plain.encode(), context)


def result_of_a_test(pipeline: Pipeline, webhook: dict[str, Any]) -> dict[str, Any]:
    location = pipeline.call("POST", f"/webhooks/{webhook['id']}/test").headers["Location"].removeprefix("/api")
    pipeline.deliver_events()
    found: dict[str, Any] = pipeline.call("GET", location).json
    return found


def formats(pipeline: Pipeline) -> list[int]:
    (row,) = pipeline.sql("select secret, old_secret, headers from webhook")
    return [bytes(value)[0] for value in row.values() if value is not None]


@pytest.fixture
def while_sealing(monkeypatch: pytest.MonkeyPatch) -> WhileSealing:
    """Calls something whenever a value is sealed or opened."""
    methods: dict[str, Callable[..., bytes]] = {"seal": LocalKey.seal, "open": LocalKey.open}

    def install(act: Callable[[], object]) -> None:
        for name, really in methods.items():

            def called(*arguments: Any, really: Callable[..., bytes] = really) -> bytes:
                act()
                return really(*arguments)

            monkeypatch.setattr(LocalKey, name, called)

    return install


@pytest.mark.parametrize("given", [{}, {"headers": KEPT}, {"headers": {**KEPT, "X-Shop": "north"}}])
def test_another_token_cannot_have_headers_sent_to_its_own_server(pipeline: Pipeline, given: dict[str, Any]) -> None:
    other = tokens.install(pipeline.services.owner_conninfo, "other", ["admin"])
    with hook_server() as customer, hook_server() as attacker:
        webhook = subscribe(pipeline, customer.url(), headers=HUSH)
        path = f"/webhooks/{webhook['id']}"
        moved = pipeline.call("PATCH", path, {"url": attacker.url(), **given}, Authorization=f"Bearer {other}")
        pipeline.call("POST", f"{path}/test", Authorization=f"Bearer {other}")
        pipeline.deliver_events()

        assert attacker.received == []
        assert [each.headers["authorization"] for each in customer.received] == [HUSH["Authorization"]]
    assert (moved.status, [each["pointer"] for each in moved.json["errors"]]) == (422, ["/headers"])
    assert moved.json["errors"][0]["message"] == (
        "The new URL has another scheme, host or port, so saved header values are not kept: "
        "enter the values of Authorization again, or remove these headers."
    )


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("http://127.0.0.1:9/hook", "http://127.0.0.1:9/other?shop=north", True),
        ("http://127.0.0.1/hook", "HTTP://127.0.0.1:80/hook", True),
        ("http://Müller.example/hook", "http://xn--mller-kva.example/hook", True),
        ("http://127.0.0.1/hook", "https://127.0.0.1/hook", False),
        ("http://127.0.0.1/hook", "http://127.0.0.1:443/hook", False),
        ("http://127.0.0.1/hook", "http://127.0.0.2/hook", False),
        ("http://müller.example/hook", "http://muller.example/hook", False),
    ],
)
def test_headers_are_kept_only_for_the_same_scheme_host_and_port(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, old: str, new: str, kept: bool
) -> None:
    monkeypatch.setattr("chalicelib.webhooks.outbound.post.Outbound.check", lambda *_: None)  # Resolves names.
    path = f"/webhooks/{subscribe(pipeline, old, headers=HUSH)['id']}"

    assert pipeline.call("PATCH", path, {"url": new}).status == (200 if kept else 422)
    assert pipeline.call("PATCH", path, {"url": new, "headers": KEPT}).status == (200 if kept else 422)
    assert pipeline.call("GET", path).json["url"] == (new if kept else old)
    for headers in ({"Authorization": "Bearer new"}, {}):
        moved = pipeline.call("PATCH", path, {"url": new, "headers": headers})
        assert (moved.status, list(moved.json["headers"])) == (200, list(headers))
        pipeline.sql("update webhook set url = %s", old)


def test_a_webhook_without_headers_can_be_moved(pipeline: Pipeline) -> None:
    path = f"/webhooks/{subscribe(pipeline, URL)['id']}"
    assert pipeline.call("PATCH", path, {"url": "http://127.0.0.2/hook"}).status == 200


def test_a_repeated_creation_shows_its_secret_only_until_the_first_rotation(pipeline: Pipeline) -> None:
    def create() -> Answer:
        body = {"url": URL, "events": ["*"]}
        return pipeline.call("POST", "/webhooks", body, **{"Idempotency-Key": "leaked"})

    created = create().json
    path = f"/webhooks/{created['id']}"
    pipeline.call("PATCH", path, {"description": "Another edit"})
    assert create().json["secret"] == created["secret"]

    pipeline.call("POST", f"{path}/rotate-secret")
    pipeline.sql("update webhook set old_secret_expires_at = now() - interval '1 second'")
    again = create()

    assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json == {**pipeline.call("GET", path).json, "secret": None}
    assert b"whsec_" not in again.body


def test_no_transaction_is_open_while_values_are_sealed_or_opened(
    pipeline: Pipeline, while_sealing: WhileSealing
) -> None:
    open_transactions: list[int] = []
    query = "select pid from pg_stat_activity where usename <> current_user and state like 'idle in transaction%%'"
    while_sealing(lambda: open_transactions.append(len(pipeline.sql(query))))

    path = f"/webhooks/{subscribe(pipeline, URL, headers=HUSH)['id']}"
    assert pipeline.call("PATCH", path, {"headers": {**KEPT, "X-Shop": "north"}}).status == 200
    assert pipeline.call("POST", f"{path}/rotate-secret").status == 200

    assert len(open_transactions) >= 5
    assert set(open_transactions) == {0}


def test_an_edit_in_between_is_not_overwritten_by_headers_that_it_removed(
    pipeline: Pipeline, while_sealing: WhileSealing
) -> None:
    path = f"/webhooks/{subscribe(pipeline, URL, headers=HUSH)['id']}"
    others: list[dict[str, Any]] = [{"headers": {}}]
    while_sealing(lambda: others and pipeline.call("PATCH", path, others.pop()))

    answer = pipeline.call("PATCH", path, {"headers": KEPT})

    assert answer.status == 422
    assert "Authorization has no saved value to keep" in answer.json["detail"]
    assert pipeline.call("GET", path).json["headers"] == {}


def test_an_edit_that_always_loses_the_race_ends(pipeline: Pipeline, while_sealing: WhileSealing) -> None:
    webhook = subscribe(pipeline, URL, headers=HUSH)
    tried: list[object] = []

    def interfere() -> None:
        tried.append(pipeline.sql("update webhook set revision = revision + 1 returning revision"))

    while_sealing(interfere)
    answer = pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"headers": {"X-Shop": "north"}})

    assert (answer.status, len(tried)) == (503, WRITE_ATTEMPTS_MAX)


@pytest.mark.parametrize(
    "exchange",
    ["secret = old_secret", "secret = headers", "headers = secret", "headers = old_secret", "url = '{elsewhere}'"],
)
def test_a_value_that_is_moved_in_the_database_is_not_used(pipeline: Pipeline, exchange: str) -> None:
    with hook_server() as customer, hook_server() as attacker:
        webhook = subscribe(pipeline, customer.url(), headers=HUSH)
        pipeline.call("POST", f"/webhooks/{webhook['id']}/rotate-secret")
        pipeline.sql(f"update webhook set {exchange.format(elsewhere=attacker.url())}")

        failed = result_of_a_test(pipeline, webhook)

        assert customer.received == attacker.received == []
    assert (failed["status"], failed["attempts"][0]["status_code"]) == ("failed", None)
    assert f"the stored secret of webhook:{webhook['id']} cannot be opened" in failed["error"]


def test_an_old_secret_that_does_not_open_is_left_out(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        rotated = pipeline.call("POST", f"/webhooks/{webhook['id']}/rotate-secret").json
        pipeline.sql("update webhook set old_secret = secret")
        assert result_of_a_test(pipeline, webhook)["status"] == "delivered"
        (received,) = server.received
    Verifier(rotated["secret"]).verify(received.body, dict(received.headers))
    assert len(received.headers["webhook-signature"].split()) == 1


def test_values_of_an_earlier_version_are_used_and_sealed_again_by_the_next_edit(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url(), headers=HUSH)
        path = f"/webhooks/{webhook['id']}"
        pipeline.sql(
            "update webhook set secret = %s, headers = %s",
            sealed_by_an_earlier_version(webhook["secret"], webhook),
            sealed_by_an_earlier_version(json.dumps(HUSH), webhook),
        )
        assert result_of_a_test(pipeline, webhook)["status"] == "delivered"
        rotated = pipeline.call("POST", f"{path}/rotate-secret").json
        assert formats(pipeline) == [3, 3, 1]
        assert pipeline.call("PATCH", path, {}).status == 200
        assert formats(pipeline) == [3, 3, 3]
        assert result_of_a_test(pipeline, webhook)["status"] == "delivered"

    assert [each.headers["authorization"] for each in server.received] == [HUSH["Authorization"]] * 2
    first, second = server.received
    Verifier(webhook["secret"]).verify(first.body, dict(first.headers))
    for secret in (webhook["secret"], rotated["secret"]):
        Verifier(secret).verify(second.body, dict(second.headers))


def test_an_edit_seals_every_value_of_an_earlier_version_again(pipeline: Pipeline) -> None:
    webhook = subscribe(pipeline, URL)
    pipeline.call("POST", f"/webhooks/{webhook['id']}/rotate-secret")
    old = sealed_by_an_earlier_version("whsec_b2xk", webhook)
    pipeline.sql("update webhook set secret = %s, old_secret = %s", old, old)
    assert pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"enabled": False}).status == 200
    assert formats(pipeline) == [3, 3]
