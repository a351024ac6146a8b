"""Webhooks take turns, so that one does not delay another."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.webhooks import attempts, relay
from functions.composition import sending
from tests.integration.webhooks import create_product, let_time_pass, subscribe
from tests.support.hook_server import Received, Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_a_webhook_gets_one_attempt_at_a_time_until_it_is_known_to_be_quick(pipeline: Pipeline) -> None:
    release, inside = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        inside.release()
        assert release.wait(20)

    with hook_server(Reply(wait=wait)) as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(4):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)
        at_once = _at_once(pipeline, webhook, 3, inside)
        assert at_once == 1
        release.set()
        let_time_pass(pipeline)
        assert len({each.id for each in server.received}) == 4


def _at_once(pipeline: Pipeline, webhook: dict[str, Any], workers: int, inside: threading.Semaphore) -> int:
    """How many of several turns are sending at the same time, once each has started sending or has ended."""
    from chalicelib.backends import connect
    from chalicelib.settings import settings

    def turn() -> None:
        own = connect(settings())
        attempts.take_turn(own, sending(), uuid.UUID(webhook["id"]), lambda: 0.0)
        own.database.close()
        inside.release()

    threads = [threading.Thread(target=turn) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for _ in range(workers):
        assert inside.acquire(timeout=20)  # Each is sending, or has ended without a delivery.
    return sum(thread.is_alive() for thread in threads)


def test_a_quick_webhook_gets_several_attempts_at_a_time(pipeline: Pipeline) -> None:
    release, inside = threading.Event(), threading.Semaphore(0)

    def reply(request: Received) -> Reply:
        def wait() -> None:
            inside.release()
            assert release.wait(20)

        return Reply() if json.loads(request.body)["data"]["sku"] == "first" else Reply(wait=wait)

    with hook_server(reply) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "first")
        pipeline.deliver_events()
        for number in range(limits.WEBHOOK_CONCURRENT_MAX + 2):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)
        at_once = _at_once(pipeline, webhook, limits.WEBHOOK_CONCURRENT_MAX + 1, inside)
        assert at_once == limits.WEBHOOK_CONCURRENT_MAX
        release.set()
        let_time_pass(pipeline)


def test_a_webhook_whose_turn_ends_continues_with_a_new_message(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.webhooks.attempts.DELIVERY_TURN_SECONDS", 0)
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(3):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)

        attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        assert len(server.received) == 1

        pipeline.deliver_events()
        assert len(server.received) == 3
