"""The OpenAPI document is valid, describes every route, and has no dangling references."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import app
from functions.api.endpoints import endpoints_of
from functions.api.openapi import VERSION, document
from functions.api.openapi_headers import HEADERS
from functions.api.problems import TITLES
from functions.api.routes import PREFIX

ROOT = Path(__file__).parents[2]
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document as clients read it."""
    found: dict[str, Any] = json.loads(json.dumps(document(endpoints_of(app.app), PREFIX)))
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of everything that the document describes."""
    for path, item in described["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def within(content: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(content, dict):
        yield content
    for each in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from within(each)


def test_it_is_valid_openapi(described: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(described).validate()


def test_it_describes_exactly_the_routes_of_the_application(described: dict[str, Any]) -> None:
    routes = {(path, method.lower()) for path, methods in app.app.routes.items() for method in methods}
    assert {(path, method) for path, method, _ in operations(described)} == routes


def test_every_reference_resolves_and_every_schema_is_used(described: dict[str, Any]) -> None:
    used = {each["$ref"] for each in within(described) if isinstance(each.get("$ref"), str)}
    for reference in used:
        target = described
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    schemas = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert schemas == {each for each in used if each.startswith("#/components/schemas/")}


def test_every_operation_says_what_it_does_and_how_it_can_end(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(described):
        where = f"{method} {path}"
        assert operation["summary"].strip(), where
        assert {"422", "500", "503"} <= set(operation["responses"]), where
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), where
        secured = "security" in operation
        assert secured == ({"401", "403", "429"} <= set(operation["responses"])), where
        for status in {"429", "503"} & set(operation["responses"]):
            assert "Retry-After" in operation["responses"][status]["headers"], where
        for status, response in operation["responses"].items():
            media_types = set(response.get("content", {}))
            assert media_types == ({"application/problem+json"} if status >= "400" else media_types), where
            assert set(response.get("headers", {})) <= set(HEADERS), where
        if "requestBody" in operation:
            assert {"413", "415"} <= set(operation["responses"]), where
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            model = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert model["additionalProperties"] is False, where
            assert model["examples"], where


def test_an_answer_links_to_every_operation_on_its_resource(described: dict[str, Any]) -> None:
    linked = {
        (operation["operationId"], status): response["links"]
        for _, _, operation in operations(described)
        for status, response in operation["responses"].items()
        if "links" in response
    }
    on_imports = {
        "read_import", "read_throughput", "cancel_import", "retry_import", "list_rejected_rows",
        "download_rejected_rows",
    }  # fmt: skip
    on_products = {"read_product", "replace_product", "change_product", "delete_product"}
    assert set(linked["create_import", "201"]) == on_imports
    assert set(linked["cancel_import", "200"]) == on_imports - {"cancel_import"}
    assert set(linked["create_product", "201"]) == on_products
    assert set(linked["create_export", "202"]) == {"read_export"}
    assert set(linked["create_bulk_delete", "202"]) == {"read_bulk_delete"}
    assert {"read_webhook", "test_webhook", "list_deliveries"} < set(linked["create_webhook", "201"])
    assert set(linked["test_webhook", "202"]) == {"read_delivery", "redeliver"}
    in_paths = {
        operation["operationId"]: set(re.findall(r"{(\w+)}", path)) for path, _, operation in operations(described)
    }
    for links in linked.values():
        for link in links.values():
            assert in_paths[link["operationId"]] == set(link["parameters"])
            assert set(link["parameters"].values()) == {"$response.body#/id"}


def test_lists_and_creations_declare_their_headers(described: dict[str, Any]) -> None:
    post = described["paths"]["/imports"]["post"]["responses"]["201"]["headers"]
    assert set(post) == {"ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-Id"}
    listed = described["paths"]["/imports"]["get"]
    assert set(listed["responses"]["200"]["headers"]) == {"ETag", "Link", "X-Request-Id"}
    assert "304" in listed["responses"]
    assert {each["name"] for each in listed["parameters"]} == {"limit", "cursor", "If-None-Match"}
    limit = next(each for each in listed["parameters"] if each["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}


def test_every_status_has_a_title(described: dict[str, Any]) -> None:
    statuses = {int(each) for _, _, operation in operations(described) for each in operation["responses"]}
    assert {each for each in statuses if each >= 400} <= set(TITLES)


def test_its_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION
