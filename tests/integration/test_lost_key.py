"""The key that seals webhook secrets is lost: what users see, and how webhooks work again with a new key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as Verifier

from chalicelib.settings import settings
from functions.composition import sending
from tests.support.hook_server import HookServer, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline


@pytest.fixture
def lose_key(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Returns a function after which the functions use another key."""

    def forget() -> None:
        settings.cache_clear()
        sending.cache_clear()

    def lose() -> None:
        (tmp_path / "webhook.key").write_bytes(secrets.token_bytes(32))
        monkeypatch.setenv("WEBHOOK_KEY_FILE", str(tmp_path / "webhook.key"))
        forget()

    yield lose
    monkeypatch.undo()
    forget()


def subscribe(pipeline: Pipeline, server: HookServer) -> dict[str, Any]:
    asked = {"url": server.url(), "events": ["*"], "headers": {"X-Shop": "north"}}
    created: dict[str, Any] = pipeline.call("POST", "/webhooks", asked).json
    return created


def result_of_a_test(pipeline: Pipeline, path: str) -> dict[str, Any]:
    location = pipeline.call("POST", f"{path}/test").headers["Location"].removeprefix("/api")
    pipeline.deliver_events()
    found: dict[str, Any] = pipeline.call("GET", location).json
    return found


def test_after_a_new_secret_and_new_headers_a_webhook_works_again(
    pipeline: Pipeline, lose_key: Callable[[], None]
) -> None:
    with hook_server() as server:
        path = f"/webhooks/{subscribe(pipeline, server)['id']}"
        lose_key()
        failed = result_of_a_test(pipeline, path)
        assert failed["status"] == "failed"
        assert "it was sealed with another key" in failed["error"]
        assert server.received == []

        refused = pipeline.call("PATCH", path, {"headers": {"X-Shop": None}})
        assert refused.status == 422
        assert "enter all of them again" in refused.json["detail"]
        assert pipeline.call("PATCH", path, {"headers": {"X-Shop": "south"}}).status == 200
        secret = pipeline.call("POST", f"{path}/rotate-secret").json["secret"]
        assert result_of_a_test(pipeline, path)["status"] == "delivered"
        (received,) = server.received
        Verifier(secret).verify(received.body, dict(received.headers))
        assert received.headers["x-shop"] == "south"
