"""The API with its gateway, in this process: what a client sees, including what the gateway itself refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import app
from functions.api.endpoints import Endpoint, endpoints_of
from infra.local.lambda_.context import LambdaContext
from infra.local.processes.ports import LOOPBACK
from infra.local.site import gateway
from infra.local.site.problems import Answer

SECONDS = 30
SOME_ID = "00000000-0000-0000-0000-000000000001"
EXTENSIONS = {"product_id", "sku"}
"""Members that a problem may have in addition to those of every problem."""


def ask(method: str, path: str, token: str | None, body: bytes = b"", **headers: str) -> Answer:
    """One request, with path and headers exactly as given; underscores in header names become hyphens."""
    sent = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    return ask_from(LOOPBACK, method, path, sent, body)


def ask_from(address: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    """One request from an address, with headers as given."""
    text = base64.b64encode(body).decode()
    event = {"method": method, "path": path, "headers": headers, "body": text, "address": address}
    return Answer.from_json(gateway.handler(event, LambdaContext("api_handler", 512, "test", "test", SECONDS)))


def content(answer: Answer) -> Any:
    """The JSON of a response."""
    return json.loads(answer.body)


def problem(answer: Answer, *statuses: int) -> dict[str, Any]:
    """The response's problem document, which must have one of these statuses."""
    assert answer.status in statuses, (answer.status, answer.body)
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.body)
    assert set(found) - EXTENSIONS == {"type", "title", "status", "code", "detail", "errors"}
    assert found["status"] == answer.status
    return found


def discovered() -> list[Endpoint]:
    """Every route of the application."""
    return list(endpoints_of(app.app))


def filled(path: str, value: str = SOME_ID) -> str:
    """A route's path with a value for each of its parameters."""
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def example(endpoint: Endpoint) -> dict[str, Any]:
    """A valid body: the example that the model of every body must have."""
    assert endpoint.body is not None
    found: dict[str, Any] = endpoint.body.model_json_schema()["examples"][0]
    return dict(found)


def with_body() -> Iterator[Endpoint]:
    """The routes that have a body."""
    return (each for each in discovered() if each.body is not None)
