"""The page's types of API objects match the OpenAPI document, so the type check of the page holds for the real API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.importing.outcomes import OUTCOMES
from functions.api.endpoints import endpoints_of
from functions.api.openapi import document

TYPES = (Path(__file__).parents[2] / "types" / "api.d.ts").read_text("utf-8")
INTERFACE = re.compile(r"interface (\w+)(?:<\w+>)?(?: extends (\w+))? \{(.*?)\n  \}", re.DOTALL)
INTERFACES = {name: (parent, body) for name, parent, body in INTERFACE.findall(TYPES)}
ITEM_OF = {
    "Import": "/imports",
    "RejectedRow": "/imports/{import_id}/rejected-rows",
    "ListedProduct": "/products",
    "Token": "/tokens",
    "Webhook": "/webhooks",
    "Delivery": "/webhooks/{webhook_id}/deliveries",
    "EventType": "/event-types",
}
RESPONSE_OF = {
    "Product": "/products/{product_id}",
    "Throughput": "/imports/{import_id}/throughput",
    "BulkDelete": "/bulk-deletes/{bulk_delete_id}",
    "Export": "/exports/{export_id}",
    "DeliveryDetails": "/deliveries/{delivery_id}",
}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    """The OpenAPI document."""
    described: dict[str, Any] = json.loads(json.dumps(document(endpoints_of(app.app), "/api")))
    return described


@pytest.mark.parametrize("name", [*ITEM_OF, *RESPONSE_OF])
def test_every_declared_field_exists_in_the_api(api: dict[str, Any], name: str) -> None:
    response = fields(api, api["paths"][ITEM_OF.get(name) or RESPONSE_OF[name]]["get"]["responses"]["200"])
    known = fields(api, response["items"]["items"]) if name in ITEM_OF else response
    declared = declared_fields(name)
    assert declared
    assert declared <= known.keys()


def test_the_outcomes_of_an_import_are_those_of_the_api() -> None:
    declared = re.search(r"type ImportOutcome =(.*?);", TYPES, re.DOTALL)
    assert declared
    assert tuple(re.findall(r'"(\w+)"', declared[1])) == OUTCOMES


def declared_fields(name: str) -> set[str]:
    """The required fields of an interface, including inherited ones."""
    parent, body = INTERFACES[name]
    own = set(re.findall(r"^    (\w+):", body, re.MULTILINE))
    return own | (declared_fields(parent) if parent else set())


def fields(api: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """The fields of a response or schema of the document."""
    schema = described["content"]["application/json"]["schema"] if "content" in described else described
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties: dict[str, Any] = schema["properties"]
    return properties
