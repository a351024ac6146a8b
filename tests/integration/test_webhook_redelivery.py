"""Deliveries that users send: tests, and deliveries that are sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib import events
from chalicelib.webhooks import relay
from tests.integration.webhooks import create_product, deliveries, show, subscribe, types
from tests.support.hook_server import Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_a_test_is_sent_even_when_the_webhook_is_off(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=418, body=b"teapot")) as server:
        webhook = subscribe(pipeline, server.url(), ["product.deleted"], enabled=False)
        answer = pipeline.call("POST", f"/webhooks/{webhook['id']}/test")
        assert (answer.status, answer.json["status"], answer.json["test"]) == (202, "pending", True)
        pipeline.deliver_events()

        found = pipeline.call("GET", answer.headers["Location"].removeprefix("/api")).json
        assert (found["status"], found["status_code"], found["attempt_count"]) == ("failed", 418, 1)
        assert found["attempts"][0]["response_body"] == "teapot"
        assert found["milliseconds"] >= 0
        assert types(server) == [events.TEST_TYPE]
    shown = show(pipeline, webhook)
    assert shown["failing_since"] is None, "a test does not count as a failure"
    assert shown["last_delivery"]["status_code"] == 418
    assert pipeline.call("GET", "/events").json["items"] == []


def test_a_test_is_sent_before_pending_deliveries(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(5):
            create_product(pipeline, f"S{number}")
        relay.relay(pipeline.backends, lambda: 60.0)
        pipeline.call("POST", f"/webhooks/{webhook['id']}/test")
        pipeline.deliver_events()

        assert types(server)[0] == events.TEST_TYPE


def test_a_delivery_is_sent_again_with_the_same_id(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=410), Reply(), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.deliver_events()
        (delivery,) = deliveries(pipeline, webhook)
        again = f"/deliveries/{delivery['id']}/redeliver"
        assert pipeline.call("POST", again).json["code"] == "webhook_disabled"
        pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"enabled": True})

        assert pipeline.call("POST", again).status == 202
        assert pipeline.call("POST", again).json["code"] == "delivery_pending"
        pipeline.deliver_events()
        assert deliveries(pipeline, webhook)[0]["status"] == "delivered"
        assert pipeline.call("POST", again).status == 202, "a successful delivery can be sent again as well"
        pipeline.deliver_events()

        assert len(server.received) == 3
        assert len({each.id for each in server.received}) == 1


def test_all_failed_deliveries_since_a_given_time_are_sent_again(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(4):
            create_product(pipeline, f"S{number}")
        pipeline.deliver_events()
        pipeline.sql("update delivery set status = 'failed'")
        old = deliveries(pipeline, webhook)[-1]
        pipeline.sql("update delivery set created_at = now() - interval '2 hours' where id = %s", old["id"])
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

        answer = pipeline.call("POST", f"/webhooks/{webhook['id']}/redeliver", {"since": since})
        pipeline.deliver_events()

        assert (answer.status, answer.json) == (202, {"redelivered": 3})
        assert len(server.received) == 4 + 3
        assert [each["id"] for each in deliveries(pipeline, webhook, "status=failed")] == [old["id"]]
