"""Steps of the webhook tests: subscribe, change something, let time pass, read the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.repair import sweeping
from tests.support.hook_server import HookServer

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

EVERY = ["*"]


def subscribe(pipeline: Pipeline, url: str, types: list[str] | None = None, **more: Any) -> dict[str, Any]:
    answer = pipeline.call("POST", "/webhooks", {"url": url, "events": types or EVERY, **more})
    assert answer.status == 201, answer.body
    created: dict[str, Any] = answer.json
    return created


def create_product(pipeline: Pipeline, sku: str = "H-1", **more: Any) -> dict[str, Any]:
    answer = pipeline.call("POST", "/products", {"sku": sku, "name": "Hammer", **more})
    assert answer.status == 201, answer.body
    created: dict[str, Any] = answer.json
    return created


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
    """Makes every pending delivery due, ends the claims of killed senders, and runs the sweep."""
    pipeline.sql("update delivery set due_at = now(), claimed_until = null where status = 'pending'")
    sweeping.sweep(pipeline.backends)
    pipeline.deliver_events()
