"""Webhooks that hold the processes that send to them keep none of the others waiting, on the whole running stack."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import requests

from infra.local.processes.deadline import wait_until
from infra.local.testing import RunningStack, running_stack
from tests.support.hook_server import Reply, hook_server

QUICK, BAD, PRODUCTS = 6, 2, 10
END_SECONDS_MAX = 60.0


def call(stack: RunningStack, method: str, path: str, body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {stack.file.token}"}
    answer = requests.request(method, f"{stack.file.url}{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


def test_who_does_not_answer_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """The bad ones hold what they get until the quick ones have everything."""
    released = threading.Event()
    with (
        running_stack(tmp_path) as stack,
        hook_server(Reply(wait=released.wait)) as holding,
        hook_server() as quick,
    ):
        try:
            for server, count in ((holding, BAD), (quick, QUICK)):
                for number in range(count):
                    call(stack, "POST", "/api/webhooks", {"url": server.url(f"/{number}"), "events": ["*"]})
            call(stack, "POST", "/api/products", {"sku": "first", "name": "Hammer"})
            wait_until(
                lambda: len({each.path for each in holding.received}) == BAD,
                END_SECONDS_MAX,
                "the bad ones to hold a message each",
            )
            for number in range(PRODUCTS):
                call(stack, "POST", "/api/products", {"sku": f"S-{number}", "name": "Hammer"})
            whole = QUICK * (PRODUCTS + 1)
            assert quick.wait_for(lambda got: len({(each.path, each.id) for each in got}) == whole, END_SECONDS_MAX)
        finally:
            released.set()
