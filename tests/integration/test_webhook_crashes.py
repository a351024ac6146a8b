"""Relays and senders that are killed, overtaken, or run at the same time: no event is lost or relayed twice."""

from __future__ import annotations

import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from chalicelib.catalogue import products
from chalicelib.catalogue.products import Content
from chalicelib.fault_points import switched_on
from chalicelib.webhooks import attempts, relay
from functions.composition import sending
from infra.local.processes.deadline import wait_until
from tests.integration.killing import killed_at
from tests.integration.webhooks import create_product, deliveries, let_time_pass, subscribe
from tests.support.concurrency import workers
from tests.support.hook_server import Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.mark.parametrize("point", ["relay.before_commit", "relay.before_send"])
def test_a_killed_relay_neither_loses_nor_repeats_events(pipeline: Pipeline, point: str) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        create_product(pipeline)
        with killed_at(point):
            relay.relay(pipeline.backends, lambda: 60.0)
        pipeline.backends.database.close()
        pipeline.sqs.purge_queue(QueueUrl=pipeline.services.queue_urls["product-importer-local-events"])

        let_time_pass(pipeline)

        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("point", "times"),
    [
        ("delivery.after_claim", 1),
        ("delivery.after_send", 2),
        ("delivery.before_commit", 2),
        ("delivery.after_record", 1),
    ],
)
def test_a_killed_sender_loses_nothing(pipeline: Pipeline, point: str, times: int) -> None:
    """A sender killed between sending and recording cannot know the result: the message is sent again, with its id."""
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        relay.relay(pipeline.backends, lambda: 60.0)
        with killed_at(point):
            attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        pipeline.backends.database.close()
        pipeline.sqs.purge_queue(QueueUrl=pipeline.services.queue_urls["product-importer-local-deliveries"])

        let_time_pass(pipeline)

        assert len(server.received) == times
        assert len({each.id for each in server.received}) == 1
        assert [each["status"] for each in deliveries(pipeline, webhook)] == ["delivered"]


@pytest.mark.parametrize("quick", [False, True])
def test_a_claimed_delivery_is_not_attempted_by_another_sender(pipeline: Pipeline, quick: bool) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        pipeline.sql("update webhook set quick = %s", quick)
        create_product(pipeline)
        relay.relay(pipeline.backends, lambda: 60.0)
        with killed_at("delivery.after_claim"):
            attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)

        pipeline.deliver_events()

        assert server.received == [], "the sender that claimed it may still be sending"


@pytest.mark.parametrize(("overtaker", "status"), [(200, "delivered"), (500, "pending")])
def test_a_sender_whose_claim_has_ended_records_nothing(pipeline: Pipeline, overtaker: int, status: str) -> None:
    answers = iter([Reply(), Reply(status=overtaker)])
    with hook_server(lambda _: next(answers)) as server, workers(1) as (other,):
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        relay.relay(pipeline.backends, lambda: 60.0)
        webhook_id = uuid.UUID(webhook["id"])

        def overtaken(reached: str) -> None:
            if reached == "delivery.after_send" and len(server.received) == 1:
                pipeline.sql("update delivery set claimed_until = now() - interval '1 second'")
                attempts.take_turn(other, sending(), webhook_id, lambda: 60.0)

        with switched_on(overtaken):
            attempts.take_turn(pipeline.backends, sending(), webhook_id, lambda: 60.0)

    (delivery,) = deliveries(pipeline, webhook)
    assert (delivery["status"], delivery["attempt_count"], delivery["status_code"]) == (status, 1, overtaker)


def test_two_relays_at_once_give_each_event_one_position(pipeline: Pipeline) -> None:
    """The second starts before the first has committed, and finds nothing left afterwards."""
    with hook_server() as server, workers(1) as (other,), ThreadPoolExecutor() as second:
        subscribe(pipeline, server.url())
        for number in range(3):
            create_product(pipeline, f"S{number}")
        late: list[Future[None]] = []

        def at_point(reached: str) -> None:
            if reached == "relay.before_commit" and not late:
                late.append(second.submit(relay.relay, other, lambda: 60.0))
                wait_until(lambda: _a_connection_waits_for_a_lock(pipeline), 20, "the second relay to wait")

        with switched_on(at_point):
            relay.relay(pipeline.backends, lambda: 60.0)
        late[0].result(20)
        pipeline.deliver_events()

        assert len(server.received) == 3
    positions = pipeline.sql("select position from event order by id")
    assert [row["position"] for row in positions] == [1, 2, 3]


def _a_connection_waits_for_a_lock(pipeline: Pipeline) -> bool:
    return bool(
        pipeline.sql("select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename <> current_user")
    )


def test_the_relay_does_not_wait_for_senders(pipeline: Pipeline) -> None:
    """While a sender records an attempt, its webhook is locked; an event for the same webhook is relayed."""
    with hook_server() as server, workers(1) as (other,):
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        relay.relay(pipeline.backends, lambda: 60.0)
        relayed: list[int] = []

        def at_point(reached: str) -> None:
            if reached == "delivery.before_commit" and not relayed:
                products.create(other, Content("B", "Saw"))
                other.database.connection().execute("set lock_timeout = '2s'")
                relay.relay(other, lambda: 60.0)
                relayed.append(len(pipeline.sql("select 1 from delivery")))

        with switched_on(at_point):
            attempts.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)

    assert relayed == [2]
