"""Webhooks from the change to the receiver: who is told what, signed how, and what becomes of what cannot be sent."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as Verifier

from chalicelib import bulk_deletes, delivering, events, limits, products, relaying, retrying, sweeping
from chalicelib.database import RollBack
from chalicelib.faults import switched_on
from chalicelib.products import Content
from functions.composition import sending
from infra.local.deadline import wait_until
from tests.support.concurrency import workers
from tests.support.hook_server import HookServer, Received, Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

EVERY = ["*"]


class Killed(BaseException):
    """Nothing after it runs."""


def subscribe(pipeline: Pipeline, url: str, types: list[str] | None = None, **more: Any) -> dict[str, Any]:
    answer = pipeline.call("POST", "/webhooks", {"url": url, "events": types or EVERY, **more})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


def create_product(pipeline: Pipeline, sku: str = "H-1", **more: Any) -> dict[str, Any]:
    answer = pipeline.call("POST", "/products", {"sku": sku, "name": "Hammer", **more})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


def deliveries(pipeline: Pipeline, webhook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = pipeline.call("GET", f"/webhooks/{webhook['id']}/deliveries?{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def show(pipeline: Pipeline, webhook: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pipeline.call("GET", f"/webhooks/{webhook['id']}").json
    return found


def types(server: HookServer) -> list[str]:
    return [json.loads(each.body)["type"] for each in server.received]


def let_time_pass(pipeline: Pipeline) -> None:
    """All that waits for a later time is due, and whoever was killed has lost his claims."""
    pipeline.sql("update delivery set due_at = now(), claimed_until = null where status = 'pending'")
    sweeping.sweep(pipeline.backends)
    pipeline.tell()


# --- what is told ---------------------------------------------------------------------------------------------------


def test_each_change_is_told_to_those_who_want_it(pipeline: Pipeline) -> None:
    with hook_server() as all_of_it, hook_server() as some:
        subscribe(pipeline, all_of_it.url())
        subscribe(pipeline, some.url(), ["product.deleted", "import.completed"])
        made = create_product(pipeline)
        path = f"/products/{made['id']}"
        pipeline.call("PATCH", path, {"name": "Claw hammer"})
        pipeline.call("PATCH", path, {"name": "Claw hammer"})  # Changes nothing, so there is nothing to tell.
        pipeline.call("PATCH", path, {"sku": "H-2"})
        pipeline.call("DELETE", path)
        pipeline.run(b"sku,name\nA,x\nB,\n")
        accepted = bulk_deletes.accept(pipeline.backends)
        bulk_deletes.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)

        pipeline.tell()

        assert sorted(types(all_of_it)) == sorted([
            "product.created", "product.updated", "product.updated", "product.deleted", "import.completed",
            "products.bulk_deleted",
        ])  # fmt: skip
        assert sorted(types(some)) == ["import.completed", "product.deleted"]
        told = {json.loads(each.body)["type"]: json.loads(each.body) for each in all_of_it.received}
    assert told["product.created"]["data"] == {
        "id": made["id"], "sku": "H-1", "name": "Hammer", "description": "", "description_is_cut": False,
        "active": True, "created_at": made["created_at"], "updated_at": made["updated_at"],
    }  # fmt: skip
    assert told["product.created"]["timestamp"] == made["created_at"]
    assert told["product.deleted"]["data"] == {"id": made["id"], "sku": "H-2"}
    assert told["import.completed"]["data"]["rows"] == {
        "total": 2, "created": 1, "updated": 0, "unchanged": 0, "superseded": 0, "rejected": 1,
    }  # fmt: skip


def test_the_catalogue_of_events_shows_what_is_sent(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        made = create_product(pipeline)
        pipeline.call("PATCH", f"/products/{made['id']}", {"active": False})
        pipeline.call("DELETE", f"/products/{made['id']}")
        pipeline.run(b"sku,name\nA,x\n")
        pipeline.run(b"name\nx\n")
        accepted = bulk_deletes.accept(pipeline.backends)
        bulk_deletes.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)
        pipeline.tell()
        sent = {json.loads(each.body)["type"]: json.loads(each.body) for each in server.received}

    shown = {each["type"]: each["example"] for each in pipeline.call("GET", "/event-types").json["items"]}

    assert set(shown) == set(sent) == set(events.NAMES)
    for name, example in shown.items():
        assert set(example) == set(sent[name]) == {"type", "version", "timestamp", "data"}
        assert _shape(example["data"]) == _shape(sent[name]["data"]), name


def _shape(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _shape(value) for name, value in data.items()}
    return type(data).__name__


def test_a_message_is_small_whatever_it_tells(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        create_product(
            pipeline, "\U0001f528" * limits.SKU_CHARACTERS_MAX, name='"' * limits.NAME_CHARACTERS_MAX,
            description="\x01ü" * 20_000,
        )  # fmt: skip
        pipeline.tell()
        (received,) = server.received

    assert len(received.body) < limits.EVENT_BYTES_MAX
    data = json.loads(received.body)["data"]
    assert data["description_is_cut"]
    assert ("\x01ü" * 20_000).startswith(data["description"])


def test_a_change_that_is_rolled_back_is_never_told(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        _record_and_roll_back(pipeline)
        create_product(pipeline)
        assert pipeline.call("POST", "/products", {"sku": "h-1", "name": "x"}).status == 409
        pipeline.tell()

        assert types(server) == ["product.created"]


def _record_and_roll_back(pipeline: Pipeline) -> None:
    with pipeline.backends.database.transaction() as transaction:
        events.record(transaction, "product.created", "1", {})
        raise RollBack


def test_a_webhook_is_not_told_what_happened_before_it_was_made(pipeline: Pipeline) -> None:
    with hook_server() as server:
        create_product(pipeline, "A")
        subscribe(pipeline, server.url())
        create_product(pipeline, "B")
        pipeline.tell()

        assert [json.loads(each.body)["data"]["sku"] for each in server.received] == ["B"]


def test_an_event_that_commits_late_is_told_and_listed_in_its_place(pipeline: Pipeline) -> None:
    """Read as «id above the last seen», it would be lost: its id is lower than one that was told before it."""
    with hook_server() as server:
        subscribe(pipeline, server.url())
        from chalicelib.backends import connect
        from chalicelib.settings import settings

        other = connect(settings())
        with other.database.transaction() as transaction:
            events.record(transaction, "product.deleted", "slow", {"id": "1", "sku": "slow"})
            create_product(pipeline, "quick")
            pipeline.tell()
            seen = pipeline.call("GET", "/events").json["items"]
            assert [each["type"] for each in seen] == ["product.created"]
        other.database.close()
        pipeline.tell()

        assert types(server) == ["product.created", "product.deleted"]
        rest = pipeline.call("GET", f"/events?after={seen[-1]['id']}").json["items"]
        assert [each["data"]["sku"] for each in rest] == ["slow"]
        assert rest[0]["id"] < seen[0]["id"], "it was begun first"


def test_catching_up_gives_every_event_once_in_pages(pipeline: Pipeline) -> None:
    for number in range(7):
        create_product(pipeline, f"S{number}")
    pipeline.tell()

    seen: list[dict[str, Any]] = []
    path: str | None = "/events?limit=3"
    while path is not None:
        answer = pipeline.call("GET", path.removeprefix("/api")).json
        seen += answer["items"]
        path = answer["next"]

    assert [each["data"]["sku"] for each in seen] == [f"S{number}" for number in range(7)]
    assert pipeline.call("GET", f"/events?after={seen[-1]['id']}").json == {"items": [], "next": None}
    assert pipeline.call("GET", f"/events?after={uuid.uuid4()}").status == 404
    assert pipeline.call("GET", "/events?after=x").status == 422


# --- how it is sent -------------------------------------------------------------------------------------------------


def test_a_delivery_is_signed_and_logged(pipeline: Pipeline) -> None:
    with hook_server(Reply(body=b"thank you")) as server:
        webhook = subscribe(
            pipeline, server.url("/in?shop=1"), headers={"X-Shop": "north", "Authorization": "Bearer hush"}
        )
        create_product(pipeline)
        pipeline.tell()
        (received,) = server.received

    told = Verifier(webhook["secret"]).verify(received.body, dict(received.headers))
    assert told["type"] == "product.created"
    assert (received.path, received.headers["x-shop"]) == ("/in?shop=1", "north")
    assert received.headers["authorization"] == "Bearer hush"
    assert received.headers["content-type"] == "application/json"
    (delivery,) = deliveries(pipeline, webhook)
    assert (delivery["status"], delivery["status_code"], delivery["attempt_count"]) == ("delivered", 200, 1)
    assert delivery["event_id"] == received.id
    whole = pipeline.call("GET", f"/deliveries/{delivery['id']}").json
    assert whole["request_body"].encode() == received.body
    (attempt,) = whole["attempts"]
    assert attempt["response_body"] == "thank you"
    assert attempt["request_headers"]["webhook-id"] == received.id
    assert attempt["request_headers"]["Authorization"] == delivering.HIDDEN
    assert show(pipeline, webhook)["last_delivery"]["status_code"] == 200


def test_of_a_long_answer_the_beginning_is_kept(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=500, body=b"\xff\x00" + b"x" * 10_000)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.tell()

    (delivery,) = deliveries(pipeline, webhook)
    (attempt,) = pipeline.call("GET", f"/deliveries/{delivery['id']}").json["attempts"]
    assert attempt["response_body"] == "\ufffd\x00" + "x" * (limits.RESPONSE_BYTES_KEPT - 2)


def test_what_an_answer_quotes_of_our_headers_is_not_kept(pipeline: Pipeline) -> None:
    def quote(request: Received) -> Reply:
        told = {**request.headers, "key": request.headers["authorization"].removeprefix("Bearer ")}
        return Reply(status=401, body=json.dumps(told).encode())

    with hook_server(quote) as server:
        headers = {"Authorization": 'Bearer very-"secret"', "X-Shop": "north"}
        webhook = subscribe(pipeline, server.url(), headers=headers)
        create_product(pipeline)
        pipeline.tell()
        (received,) = server.received

    (delivery,) = deliveries(pipeline, webhook)
    (attempt,) = pipeline.call("GET", f"/deliveries/{delivery['id']}").json["attempts"]
    told = json.loads(attempt["response_body"])
    assert told["authorization"] == f"Bearer {delivering.HIDDEN}"
    assert told["key"] == told["webhook-signature"] == delivering.HIDDEN
    assert told["x-shop"] == "north", "short words are no secrets"
    assert told["webhook-id"] == received.id


def test_while_a_secret_is_rotated_both_are_good(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        rotated = pipeline.call("POST", f"/webhooks/{webhook['id']}/rotate-secret").json
        create_product(pipeline, "A")
        pipeline.tell()
        pipeline.sql("update webhook set old_secret_expires_at = now() - interval '1 second'")
        create_product(pipeline, "B")
        pipeline.tell()
        first, second = server.received

    assert rotated["secret"] != webhook["secret"]
    assert datetime.fromisoformat(rotated["secret_expires_at"]) > datetime.now(UTC) + timedelta(hours=23)
    for secret in (webhook["secret"], rotated["secret"]):
        Verifier(secret).verify(first.body, dict(first.headers))
    Verifier(rotated["secret"]).verify(second.body, dict(second.headers))
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(webhook["secret"]).verify(second.body, dict(second.headers))
    assert show(pipeline, webhook)["secret_expires_at"] is None


# --- what fails -----------------------------------------------------------------------------------------------------


def test_what_fails_is_tried_again_as_the_schedule_says_and_then_given_up(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.delivering.FAILING_SECONDS_MAX", 10**9)
    with hook_server(Reply(status=503)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.tell()
        for number in range(1, retrying.ATTEMPTS_MAX):
            (delivery,) = deliveries(pipeline, webhook)
            assert (delivery["status"], delivery["attempt_count"], delivery["status_code"]) == ("pending", number, 503)
            (row,) = pipeline.sql("select extract(epoch from due_at - now())::float as wait from delivery")
            scheduled = retrying.DELAYS_SECONDS[number]
            assert 0.8 * scheduled - 5 <= row["wait"] <= 1.2 * scheduled
            pipeline.sql("delete from delivery_attempt where number < %s", number - 1)
            let_time_pass(pipeline)

        (delivery,) = deliveries(pipeline, webhook, "status=failed")
        assert (delivery["attempt_count"], delivery["next_attempt_at"]) == (retrying.ATTEMPTS_MAX, None)
        assert {each.id for each in server.received} == {delivery["event_id"]}
        let_time_pass(pipeline)
        assert len(server.received) == retrying.ATTEMPTS_MAX


def test_a_receiver_may_ask_for_more_time(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=429, headers={"Retry-After": "1000"})) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.tell()

    (delivery,) = deliveries(pipeline, webhook)
    wait = datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.now(UTC)
    assert timedelta(seconds=900) < wait <= timedelta(seconds=1000)


def test_after_success_the_next_one_is_delivered_at_its_first_try(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=500), Reply(), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.tell()
        assert show(pipeline, webhook)["failing_since"] is not None
        let_time_pass(pipeline)
        create_product(pipeline, "B")
        pipeline.tell()

        assert show(pipeline, webhook)["failing_since"] is None
        assert [each["attempt_count"] for each in deliveries(pipeline, webhook, "status=delivered")] == [1, 2]
        assert len({each.id for each in server.received}) == 2


def test_gone_switches_a_webhook_off_and_says_why(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=410)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.tell()
        create_product(pipeline, "B")
        pipeline.tell()

        found = show(pipeline, webhook)
        assert (found["enabled"], len(server.received)) == (False, 1)
        assert "410" in found["disabled_reason"]
        (delivery,) = deliveries(pipeline, webhook)
        assert delivery["status"] == "failed"


def test_five_days_of_failures_switch_a_webhook_off(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=500)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        pipeline.tell()
        for days, enabled in ((4, True), (5, False)):
            pipeline.sql(f"update webhook set failing_since = now() - interval '{days} days'")
            let_time_pass(pipeline)
            assert show(pipeline, webhook)["enabled"] is enabled
    assert "five days" in show(pipeline, webhook)["disabled_reason"]


def test_what_waits_at_a_switched_off_webhook_is_sent_when_it_is_switched_on(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=500), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        path = f"/webhooks/{webhook['id']}"
        create_product(pipeline)
        pipeline.tell()
        assert pipeline.call("PATCH", path, {"enabled": False}).json["enabled"] is False
        let_time_pass(pipeline)
        # A turn that was on its way when it was switched off.
        delivering.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        (delivery,) = deliveries(pipeline, webhook)
        assert (len(server.received), delivery["status"], delivery["next_attempt_at"]) == (1, "pending", None)

        found = pipeline.call("PATCH", path, {"enabled": True}).json
        pipeline.tell()

        assert (found["disabled_reason"], found["failing_since"]) == (None, None)
        assert [each["status"] for each in deliveries(pipeline, webhook)] == ["delivered"]


def test_what_happens_while_a_webhook_is_off_is_not_told(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url(), enabled=False)
        create_product(pipeline)
        pipeline.tell()
        pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"enabled": True})
        let_time_pass(pipeline)

        assert server.received == []
        assert len(pipeline.call("GET", "/events").json["items"]) == 1, "it can be caught up with"


@pytest.mark.parametrize("point", ["relay.before_commit", "relay.before_send"])
def test_a_relay_that_is_killed_loses_nothing_and_tells_nothing_twice(pipeline: Pipeline, point: str) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        create_product(pipeline)
        with _killed_at(point):
            relaying.relay(pipeline.backends, lambda: 60.0)
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
def test_a_sender_that_is_killed_loses_nothing(pipeline: Pipeline, point: str, times: int) -> None:
    """Between sending and writing that down there is no way to know; then the same message comes again, with its id."""
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        relaying.relay(pipeline.backends, lambda: 60.0)
        with _killed_at(point):
            delivering.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        pipeline.backends.database.close()
        pipeline.sqs.purge_queue(QueueUrl=pipeline.services.queue_urls["product-importer-local-deliveries"])

        let_time_pass(pipeline)

        assert len(server.received) == times
        assert len({each.id for each in server.received}) == 1
        assert [each["status"] for each in deliveries(pipeline, webhook)] == ["delivered"]


def _killed_at(point: str) -> Any:
    def die(reached: str) -> None:
        if reached == point:
            raise Killed

    class Context:
        def __enter__(self) -> None:
            self._switched = switched_on(die)
            self._switched.__enter__()

        def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
            self._switched.__exit__(None, None, None)
            assert kind is Killed, f"{point} was not reached"
            return True

    return Context()


@pytest.mark.parametrize("quick", [False, True])
def test_a_claim_keeps_others_from_the_same_delivery(pipeline: Pipeline, quick: bool) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        pipeline.sql("update webhook set quick = %s", quick)
        create_product(pipeline)
        relaying.relay(pipeline.backends, lambda: 60.0)
        with _killed_at("delivery.after_claim"):
            delivering.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)

        pipeline.tell()

        assert server.received == [], "whoever claimed it may still be sending"


@pytest.mark.parametrize(("overtaker", "status"), [(200, "delivered"), (500, "pending")])
def test_whoever_comes_back_after_his_claim_is_over_writes_nothing_down(
    pipeline: Pipeline, overtaker: int, status: str
) -> None:
    answers = iter([Reply(), Reply(status=overtaker)])
    with hook_server(lambda _: next(answers)) as server, workers(1) as (other,):
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        relaying.relay(pipeline.backends, lambda: 60.0)
        webhook_id = uuid.UUID(webhook["id"])

        def overtaken(reached: str) -> None:
            if reached == "delivery.after_send" and len(server.received) == 1:
                pipeline.sql("update delivery set claimed_until = now() - interval '1 second'")
                delivering.take_turn(other, sending(), webhook_id, lambda: 60.0)

        with switched_on(overtaken):
            delivering.take_turn(pipeline.backends, sending(), webhook_id, lambda: 60.0)

    (delivery,) = deliveries(pipeline, webhook)
    assert (delivery["status"], delivery["attempt_count"], delivery["status_code"]) == (status, 1, overtaker)


def test_two_relays_at_once_give_each_event_one_place(pipeline: Pipeline) -> None:
    """The second comes while the first has not committed, and finds nothing left when it has."""
    with hook_server() as server, workers(1) as (other,), ThreadPoolExecutor() as second:
        subscribe(pipeline, server.url())
        for number in range(3):
            create_product(pipeline, f"S{number}")
        late: list[Future[None]] = []

        def meanwhile(reached: str) -> None:
            if reached == "relay.before_commit" and not late:
                late.append(second.submit(relaying.relay, other, lambda: 60.0))
                wait_until(lambda: _waits_for_a_lock(pipeline), 20, "the second relay to wait")

        with switched_on(meanwhile):
            relaying.relay(pipeline.backends, lambda: 60.0)
        late[0].result(20)
        pipeline.tell()

        assert len(server.received) == 3
    positions = pipeline.sql("select position from event order by id")
    assert [row["position"] for row in positions] == [1, 2, 3]


def _waits_for_a_lock(pipeline: Pipeline) -> bool:
    return bool(pipeline.sql("select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'importer'"))


def test_the_relay_does_not_wait_for_senders(pipeline: Pipeline) -> None:
    """While a sender writes an attempt down, its webhook is locked; an event is relayed to this very webhook."""
    with hook_server() as server, workers(1) as (other,):
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline, "A")
        relaying.relay(pipeline.backends, lambda: 60.0)
        relayed: list[int] = []

        def meanwhile(reached: str) -> None:
            if reached == "delivery.before_commit" and not relayed:
                products.create(other, Content("B", "Saw"))
                other.database.connection().execute("set lock_timeout = '2s'")
                relaying.relay(other, lambda: 60.0)
                relayed.append(len(pipeline.sql("select 1 from delivery")))

        with switched_on(meanwhile):
            delivering.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)

    assert relayed == [2]


# --- one does not hold up another ---------------------------------------------------------------------------------


def test_a_webhook_that_is_not_known_to_be_quick_gets_one_attempt_at_a_time(pipeline: Pipeline) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        inside.release()
        assert go_on.wait(20)

    with hook_server(Reply(wait=wait)) as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(4):
            create_product(pipeline, f"S{number}")
        relaying.relay(pipeline.backends, lambda: 60.0)
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
        delivering.take_turn(own, sending(), uuid.UUID(webhook["id"]), lambda: 0.0)
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
        relaying.relay(pipeline.backends, lambda: 60.0)
        at_once = _at_once(pipeline, webhook, limits.WEBHOOK_CONCURRENT_MAX + 1, inside)
        assert at_once == limits.WEBHOOK_CONCURRENT_MAX
        go_on.set()
        let_time_pass(pipeline)


def test_after_its_turn_it_is_the_next_ones(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.delivering.DELIVERY_TURN_SECONDS", 0)
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(3):
            create_product(pipeline, f"S{number}")
        relaying.relay(pipeline.backends, lambda: 60.0)

        delivering.take_turn(pipeline.backends, sending(), uuid.UUID(webhook["id"]), lambda: 60.0)
        assert len(server.received) == 1

        pipeline.tell()
        assert len(server.received) == 3


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_test_is_sent_even_when_the_webhook_is_off(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=418, body=b"teapot")) as server:
        webhook = subscribe(pipeline, server.url(), ["product.deleted"], enabled=False)
        answer = pipeline.call("POST", f"/webhooks/{webhook['id']}/test")
        assert (answer.status, answer.json["status"], answer.json["test"]) == (202, "pending", True)
        pipeline.tell()

        found = pipeline.call("GET", answer.headers["Location"].removeprefix("/api")).json
        assert (found["status"], found["status_code"], found["attempt_count"]) == ("failed", 418, 1)
        assert found["attempts"][0]["response_body"] == "teapot"
        assert found["milliseconds"] >= 0
        assert types(server) == [events.TEST_TYPE]
    assert show(pipeline, webhook)["failing_since"] is None, "a test is no sign of health"
    assert pipeline.call("GET", "/events").json["items"] == []


def test_a_test_does_not_queue_behind_what_waits(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(5):
            create_product(pipeline, f"S{number}")
        relaying.relay(pipeline.backends, lambda: 60.0)
        pipeline.call("POST", f"/webhooks/{webhook['id']}/test")
        pipeline.tell()

        assert types(server)[0] == events.TEST_TYPE


def test_what_failed_is_sent_again_with_the_same_id(pipeline: Pipeline) -> None:
    answers = iter([Reply(status=410), Reply(), Reply()])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.tell()
        (delivery,) = deliveries(pipeline, webhook)
        again = f"/deliveries/{delivery['id']}/redeliver"
        assert pipeline.call("POST", again).json["code"] == "webhook_disabled"
        pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"enabled": True})

        assert pipeline.call("POST", again).status == 202
        assert pipeline.call("POST", again).json["code"] == "delivery_pending"
        pipeline.tell()
        assert deliveries(pipeline, webhook)[0]["status"] == "delivered"
        assert pipeline.call("POST", again).status == 202, "what was delivered can be sent again too"
        pipeline.tell()

        assert len(server.received) == 3
        assert len({each.id for each in server.received}) == 1


def test_all_that_failed_since_a_time_is_sent_again(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        for number in range(4):
            create_product(pipeline, f"S{number}")
        pipeline.tell()
        pipeline.sql("update delivery set status = 'failed'")
        old = deliveries(pipeline, webhook)[-1]
        pipeline.sql("update delivery set created_at = now() - interval '2 hours' where id = %s", old["id"])
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

        answer = pipeline.call("POST", f"/webhooks/{webhook['id']}/redeliver", {"since": since})
        pipeline.tell()

        assert (answer.status, answer.json) == (202, {"redelivered": 3})
        assert len(server.received) == 4 + 3
        assert [each["id"] for each in deliveries(pipeline, webhook, "status=failed")] == [old["id"]]


def test_old_events_are_removed_with_their_log_but_not_what_waits(pipeline: Pipeline) -> None:
    answers = iter([Reply(), Reply(status=500)])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        for sku in ("done", "waits"):
            create_product(pipeline, sku)
            pipeline.tell()
        create_product(pipeline, "young")
        pipeline.sql("update event set created_at = now() - interval '31 days' where payload ->> 'sku' <> 'young'")
        sweeping.sweep(pipeline.backends)

    assert [row["sku"] for row in pipeline.sql("select payload ->> 'sku' as sku from event order by id")] == [
        "waits",
        "young",
    ]
    assert len(deliveries(pipeline, webhook)) == 1
    assert len(pipeline.sql("select * from delivery_attempt")) == 1


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [each for each in threading.enumerate() if each not in before and not each.daemon]
    assert left == []
