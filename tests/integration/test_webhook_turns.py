"""Senders take turns: one webhook does not hold up another."""

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


def test_a_webhook_that_is_not_known_to_be_quick_gets_one_attempt_at_a_time(pipeline: Pipeline) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        inside.release()
        assert go_on.wait(20)

    with hook_server(Reply(wait=wait)) as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(4):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)
        at_once = _at_once(pipeline, webhook, 3, inside)
        assert at_once == 1
        go_on.set()
        let_time_pass(pipeline)
        assert len({each.id for each in server.received}) == 4


def _at_once(pipeline: Pipeline, webhook: dict[str, Any], workers: int, inside: threading.Semaphore) -> int:
    """How many of so many turns are sending at the same time, when all have had their chance."""
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
        assert inside.acquire(timeout=20)  # Each is sending, or has come back with nothing to do.
    return sum(thread.is_alive() for thread in threads)


def test_one_that_answers_soon_gets_several_at_a_time(pipeline: Pipeline) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def reply(request: Received) -> Reply:
        def wait() -> None:
            inside.release()
            assert go_on.wait(20)

        return Reply() if json.loads(request.body)["data"]["sku"] == "first" else Reply(wait=wait)

    with hook_server(reply) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "first")
        pipeline.tell()
        for number in range(limits.WEBHOOK_CONCURRENT_MAX + 2):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)
        at_once = _at_once(pipeline, webhook, limits.WEBHOOK_CONCURRENT_MAX + 1, inside)
        assert at_once == limits.WEBHOOK_CONCURRENT_MAX
        go_on.set()
        let_time_pass(pipeline)


def test_after_its_turn_it_is_the_next_ones(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.webhooks.attempts.DELIVERY_TURN_SECONDS", 0)
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(3):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)

        attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        assert len(server.received) == 1

        pipeline.tell()
        assert len(server.received) == 3
