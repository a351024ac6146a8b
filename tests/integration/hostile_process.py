"""Sends every route hostile requests in a process of its own, because peak memory can only be measured for a process.

`python -m tests.integration.hostile_process TOKEN FILE` writes one line of JSON for each request.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.limits import BODY_BYTES_MAX, GIB
from functions.api.endpoints import Endpoint
from tests.integration import gateway
from tests.integration.huge_file import peak_bytes
from tests.support.hostile_requests import JSON, HostileRequest, hostile_requests

MEMORY_BYTES_MAX = 2 * GIB
"""Of address space: a request that works should fail, and not take down the machine."""
TIMES_SMALLER = 4
SOON_SECONDS = 0.25
"""Of CPU time. What takes less is harmless, however it grows up to the largest request."""
NEW: dict[str, tuple[str, dict[str, Any]]] = {
    "product_id": ("/products", {"sku": "{number}", "name": "x"}),
    "webhook_id": ("/webhooks", {"url": "http://127.0.0.1:1/{number}", "events": ["*"]}),
    "import_id": ("/imports", {"filename": "{number}.csv", "size_bytes": 1}),
}
"""How the things are created that paths lead to. Others do not exist."""


def main(token: str, file: str) -> None:
    """Sends the requests, and writes what each response was."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    gateway.ask("GET", "/products", token)  # The process is warm, and connected to the database.
    first_peak_bytes = peak_bytes()
    with Path(file).open("w") as written:
        for found in all_measured(token):
            found["growth_bytes"] = found.pop("peak_bytes") - first_peak_bytes
            written.write(json.dumps(found) + "\n")


def all_measured(token: str) -> Iterator[dict[str, Any]]:
    """Sends the requests. One that takes long is sent in a smaller size, too, to see how its time grows."""
    for number, endpoint in enumerate(gateway.discovered()):
        path = filled(endpoint, token, number)
        example = gateway.example(endpoint) if endpoint.body else None
        smaller = hostile_requests(endpoint, path, example, BODY_BYTES_MAX // TIMES_SMALLER)
        for request, small in zip(hostile_requests(endpoint, path, example, BODY_BYTES_MAX), smaller, strict=True):
            found = measured(endpoint, request, token)
            if found["cpu_seconds"] > SOON_SECONDS:
                found["smaller_cpu_seconds"] = measured(endpoint, small, token)["cpu_seconds"]
            yield found


def filled(endpoint: Endpoint, token: str, number: int) -> str:
    """The route's path, leading to a thing of its own."""

    def created(parameter: re.Match[str]) -> str:
        if parameter[1] not in NEW:
            return gateway.SOME_ID
        path, content = NEW[parameter[1]]
        body = json.dumps(content).replace("{number}", str(number)).encode()
        return str(gateway.content(gateway.ask("POST", path, token, body, **JSON))["id"])

    return re.sub(r"\{(\w+)\}", created, endpoint.path)


def measured(endpoint: Endpoint, request: HostileRequest, token: str) -> dict[str, Any]:
    """Sends one request. Returns its response's status and size, its CPU seconds and the peak memory so far."""
    headers = dict(request.headers)
    sent_token = None if "Authorization" in headers else token
    started = time.process_time()
    answer = gateway.ask(endpoint.method, request.path, sent_token, request.body, **headers)
    cpu_seconds = time.process_time() - started
    return {
        "route": f"{endpoint.method} {endpoint.path}",
        "kind": request.kind,
        "status": answer.status,
        "response_bytes": len(answer.body) + sum(len(name) + len(value) for name, value in answer.headers),
        "cpu_seconds": cpu_seconds,
        "peak_bytes": peak_bytes(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
