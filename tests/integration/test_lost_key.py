"""The key that seals webhook secrets is lost or rotated: what users see, and how webhooks work with a new key."""

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
def use_keys(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Returns a function that restarts the functions with other keys."""

    def forget() -> None:
        settings.cache_clear()
        sending.cache_clear()

    def use(keys: bytes) -> None:
        (tmp_path / "webhook.key").write_bytes(keys)
        monkeypatch.setenv("WEBHOOK_KEY_FILE", str(tmp_path / "webhook.key"))
        forget()

    yield use
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
    pipeline: Pipeline, use_keys: Callable[[bytes], None]
) -> None:
    with hook_server() as server:
        path = f"/webhooks/{subscribe(pipeline, server)['id']}"
        use_keys(secrets.token_bytes(32))
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


def test_a_rotated_key_is_no_longer_needed_after_an_edit(pipeline: Pipeline, use_keys: Callable[[bytes], None]) -> None:
    old, new = Path(settings().webhook_key_file or "").read_bytes(), secrets.token_bytes(32)
    with hook_server() as server:
        webhook = subscribe(pipeline, server)
        path = f"/webhooks/{webhook['id']}"
        use_keys(old + new)
        assert result_of_a_test(pipeline, path)["status"] == "delivered"
        assert pipeline.call("PATCH", path, {}).status == 200
        use_keys(new)
        assert result_of_a_test(pipeline, path)["status"] == "delivered"
    for received in server.received:
        Verifier(webhook["secret"]).verify(received.body, dict(received.headers))
        assert received.headers["x-shop"] == "north"
