"""Deliveries that fail: retried by the schedule, given up on, or kept for a webhook that is off."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.webhooks import attempts, retry_schedule
from functions.composition import sending
from tests.integration.webhooks import create_product, deliveries, let_time_pass, show, subscribe
from tests.support.hook_server import Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_a_failed_delivery_is_retried_by_the_schedule_and_then_given_up_on(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.webhooks.attempts.FAILING_SECONDS_MAX", 10**9)
    with hook_server(Reply(status=503)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.deliver_events()
        for number in range(1, retry_schedule.ATTEMPTS_MAX):
            (delivery,) = deliveries(pipeline, webhook)
            assert (delivery["status"], delivery["attempt_count"], delivery["status_code"]) == ("pending", number, 503)
            (row,) = pipeline.sql("select extract(epoch from due_at - now())::float as wait from delivery")
            scheduled = retry_schedule.DELAYS_SECONDS[number]
            assert 0.8 * scheduled - 5 <= row["wait"] <= 1.2 * scheduled
            pipeline.sql("delete from delivery_attempt where number < %s", number - 1)
            let_time_pass(pipeline)

        (delivery,) = deliveries(pipeline, webhook, "status=failed")
        assert (delivery["attempt_count"], delivery["next_attempt_at"]) == (retry_schedule.ATTEMPTS_MAX, None)
        assert {each.id for each in server.received} == {delivery["event_id"]}
        let_time_pass(pipeline)
        assert len(server.received) == retry_schedule.ATTEMPTS_MAX


def test_a_receiver_can_ask_for_a_longer_wait(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=429, headers={"Retry-After": "1000"})) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.deliver_events()

    (delivery,) = deliveries(pipeline, webhook)
    wait = datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.now(UTC)
    assert timedelta(seconds=900) < wait <= timedelta(seconds=1000)


def test_after_a_success_the_webhook_is_no_longer_failing(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=500), Reply(), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.deliver_events()
        assert show(pipeline, webhook)["failing_since"] is not None
        let_time_pass(pipeline)
        create_product(pipeline, "B")
        pipeline.deliver_events()

        assert show(pipeline, webhook)["failing_since"] is None
        assert [each["attempt_count"] for each in deliveries(pipeline, webhook, "status=delivered")] == [1, 2]
        assert len({each.id for each in server.received}) == 2


def test_410_gone_switches_a_webhook_off_and_gives_the_reason(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=410)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.deliver_events()
        create_product(pipeline, "B")
        pipeline.deliver_events()

        found = show(pipeline, webhook)
        assert (found["enabled"], len(server.received)) == (False, 1)
        assert "410" in found["disabled_reason"]
        (delivery,) = deliveries(pipeline, webhook)
        assert delivery["status"] == "failed"


def test_five_days_of_failures_switch_a_webhook_off(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=500)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.deliver_events()
        for days, enabled in ((4, True), (5, False)):
            pipeline.sql(f"update webhook set failing_since = now() - interval '{days} days'")
            let_time_pass(pipeline)
            assert show(pipeline, webhook)["enabled"] is enabled
    assert "five days" in show(pipeline, webhook)["disabled_reason"]


def test_pending_deliveries_are_sent_when_the_webhook_is_switched_on_again(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=500), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        path = f"/webhooks/{webhook['id']}"
        create_product(pipeline)
        pipeline.deliver_events()
        assert pipeline.call("PATCH", path, {"enabled": False}).json["enabled"] is False
        let_time_pass(pipeline)
        # A turn whose message was sent before the webhook was switched off.
        attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        (delivery,) = deliveries(pipeline, webhook)
        assert (len(server.received), delivery["status"], delivery["next_attempt_at"]) == (1, "pending", None)

        found = pipeline.call("PATCH", path, {"enabled": True}).json
        pipeline.deliver_events()

        assert (found["disabled_reason"], found["failing_since"]) == (None, None)
        assert [each["status"] for each in deliveries(pipeline, webhook)] == ["delivered"]


def test_events_are_not_delivered_to_a_webhook_that_was_off_when_they_happened(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url(), enabled=False)
        create_product(pipeline)
        pipeline.deliver_events()
        pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"enabled": True})
        let_time_pass(pipeline)

        assert server.received == []
        assert len(pipeline.call("GET", "/events").json["items"]) == 1, "the list of events still has it"
