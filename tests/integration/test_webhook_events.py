"""Which webhooks receive which events: each change once, in order, and only changes after the subscription."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import events, limits
from chalicelib.backends.database import RollBack
from chalicelib.catalogue import bulk_deletes
from chalicelib.repair import sweeping
from tests.integration.webhooks import create_product, deliveries, subscribe, types
from tests.support.hook_server import Reply, hook_server

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_each_change_is_sent_to_the_webhooks_that_want_it(pipeline: Pipeline) -> None:
    with hook_server() as every, hook_server() as some:
        subscribe(pipeline, every.url())
        subscribe(pipeline, some.url(), ["product.deleted", "import.completed"])
        product = create_product(pipeline)
        path = f"/products/{product['id']}"
        pipeline.call("PATCH", path, {"name": "Claw hammer"})
        pipeline.call("PATCH", path, {"name": "Claw hammer"})  # Changes nothing, so no event is recorded.
        pipeline.call("PATCH", path, {"sku": "H-2"})
        pipeline.call("DELETE", path)
        pipeline.run(b"sku,name\nA,x\nB,\n")
        accepted = bulk_deletes.accept(pipeline.backends)
        bulk_deletes.carry_out(pipeline.backends, accepted.id, lambda: 60.0)

        pipeline.deliver_events()

        assert sorted(types(every)) == sorted([
            "product.created", "product.updated", "product.updated", "product.deleted", "import.completed",
            "products.bulk_deleted",
        ])  # fmt: skip
        assert sorted(types(some)) == ["import.completed", "product.deleted"]
        sent = {json.loads(each.body)["type"]: json.loads(each.body) for each in every.received}
    assert sent["product.created"]["data"] == {
        "id": product["id"], "sku": "H-1", "name": "Hammer", "description": "", "description_is_cut": False,
        "active": True, "created_at": product["created_at"], "updated_at": product["updated_at"],
    }  # fmt: skip
    assert sent["product.created"]["timestamp"] == product["created_at"]
    assert sent["product.deleted"]["data"] == {"id": product["id"], "sku": "H-2"}
    assert sent["import.completed"]["data"]["rows"] == {
        "total": 2, "created": 1, "updated": 0, "unchanged": 0, "superseded": 0, "rejected": 1,
    }  # fmt: skip


def test_the_list_of_event_types_shows_what_is_sent(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        product = create_product(pipeline)
        pipeline.call("PATCH", f"/products/{product['id']}", {"active": False})
        pipeline.call("DELETE", f"/products/{product['id']}")
        pipeline.run(b"sku,name\nA,x\n")
        pipeline.run(b"name\nx\n")
        accepted = bulk_deletes.accept(pipeline.backends)
        bulk_deletes.carry_out(pipeline.backends, accepted.id, lambda: 60.0)
        pipeline.deliver_events()
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


def test_a_message_is_small_whatever_the_product_contains(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        create_product(
            pipeline, "\U0001f528" * limits.SKU_CHARACTERS_MAX, name='"' * limits.NAME_CHARACTERS_MAX,
            description="\x01ü" * 20_000,
        )  # fmt: skip
        pipeline.deliver_events()
        (received,) = server.received

    assert len(received.body) < limits.EVENT_BYTES_MAX
    data = json.loads(received.body)["data"]
    assert data["description_is_cut"]
    assert ("\x01ü" * 20_000).startswith(data["description"])


def test_a_change_that_is_rolled_back_is_never_sent(pipeline: Pipeline) -> None:
    with hook_server() as server:
        subscribe(pipeline, server.url())
        _record_and_roll_back(pipeline)
        create_product(pipeline)
        assert pipeline.call("POST", "/products", {"sku": "h-1", "name": "x"}).status == 409
        pipeline.deliver_events()

        assert types(server) == ["product.created"]


def _record_and_roll_back(pipeline: Pipeline) -> None:
    with pipeline.backends.database.transaction() as transaction:
        events.record(transaction, "product.created", "1", {})
        raise RollBack


def test_a_webhook_gets_no_events_from_before_it_was_created(pipeline: Pipeline) -> None:
    with hook_server() as server:
        create_product(pipeline, "A")
        subscribe(pipeline, server.url())
        create_product(pipeline, "B")
        pipeline.deliver_events()

        assert [json.loads(each.body)["data"]["sku"] for each in server.received] == ["B"]


def test_an_event_that_commits_late_is_sent_and_listed_in_order(pipeline: Pipeline) -> None:
    """A reader that asked for ids above the last one seen would lose it: its id is lower than one sent before."""
    with hook_server() as server:
        subscribe(pipeline, server.url())
        from chalicelib.backends import connect
        from chalicelib.settings import settings

        other = connect(settings())
        with other.database.transaction() as transaction:
            events.record(transaction, "product.deleted", "slow", {"id": "1", "sku": "slow"})
            create_product(pipeline, "quick")
            pipeline.deliver_events()
            seen = pipeline.call("GET", "/events").json["items"]
            assert [each["type"] for each in seen] == ["product.created"]
        other.database.close()
        pipeline.deliver_events()

        assert types(server) == ["product.created", "product.deleted"]
        rest = pipeline.call("GET", f"/events?after={seen[-1]['id']}").json["items"]
        assert [each["data"]["sku"] for each in rest] == ["slow"]
        assert rest[0]["id"] < seen[0]["id"], "its transaction began first"


def test_catching_up_page_by_page_gives_every_event_once(pipeline: Pipeline) -> None:
    for number in range(7):
        create_product(pipeline, f"S{number}")
    pipeline.deliver_events()

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


AGE_EVENTS = """
    with aged as (
      select id, uuidv7(interval '-31 days') as old_id from event where payload ->> 'sku' <> 'young' order by id
    ), moved as (
      update delivery d set event_id = aged.old_id from aged where d.event_id = aged.id
    )
    update event e set id = aged.old_id, created_at = now() - interval '31 days' from aged where e.id = aged.id
"""
"""An event's id begins with the time at which it was created."""


def test_old_events_are_removed_with_their_log_unless_a_delivery_is_pending(pipeline: Pipeline) -> None:
    answers = iter([Reply(), Reply(status=500)])
    with hook_server(lambda _: next(answers)) as server:
        webhook = subscribe(pipeline, server.url())
        for sku in ("done", "waits"):
            create_product(pipeline, sku)
            pipeline.deliver_events()
        create_product(pipeline, "young")
        pipeline.sql(AGE_EVENTS)
        sweeping.sweep(pipeline.backends)

    assert [row["sku"] for row in pipeline.sql("select payload ->> 'sku' as sku from event order by id")] == [
        "waits",
        "young",
    ]
    assert len(deliveries(pipeline, webhook)) == 1
    assert len(pipeline.sql("select * from delivery_attempt")) == 1
