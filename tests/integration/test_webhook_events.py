"""Who is told what: each change once, in its place, to those who want it and to nobody before his time."""

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
