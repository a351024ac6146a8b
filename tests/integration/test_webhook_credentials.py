"""Stored credentials of a webhook, and what happens to them while it is edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

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
    other = tokens.install(pipeline.services.owner_conninfo, "other", ["read", "write"])
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
    query = "select pid from pg_stat_activity where usename = 'importer' and state like 'idle in transaction%%'"
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
