"""The OpenAPI 3.1 document. It is built from the models that validate requests and build responses, so they agree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from functions.api.endpoints import REQUEST_ID_HEADER, Endpoint
from functions.api.idempotency import KEY_HEADER, KEY_PATTERN, REPLAYED_HEADER
from functions.api.openapi_headers import HEADERS, headers_of
from functions.api.openapi_links import links_of
from functions.api.paging import Page
from functions.api.problems import PROBLEM_TYPE, TITLES, Problem
from functions.api.request_parsing import JSON_TYPE

VERSION = "0.1.0"
TITLE = "Product Importer"
ABOUT = """Imports product catalogues (CSV), and reads and edits the products.

Errors are `application/problem+json`. Lists are returned in pages with opaque cursors.
Unknown fields and unknown parameters are refused."""
SECURITY = "token"
SCHEMAS = "#/components/schemas/"
SUCCESSES = {200: "OK", 201: "Created", 202: "Accepted", 204: "No content", 303: "See other"}
WITH_BODY = {"POST", "PUT", "PATCH"}

Json = dict[str, Any]
ModelKey = tuple[type[BaseModel], JsonSchemaMode]


def document(endpoints: Iterable[Endpoint], server: str) -> Json:
    """The whole document. `server` is the prefix of every path."""
    known = list(endpoints)
    references, schemas = _schemas(known)
    paths: dict[str, Json] = {}
    for endpoint in known:
        operation = _operation(endpoint, references, schemas)
        links = links_of(endpoint, known)
        if links:
            operation["responses"][str(endpoint.status)]["links"] = links
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    for endpoint in known:
        # Parameters are part of the operations; their models are not schemas in their own right.
        schemas.pop(_name(references[endpoint.query, "validation"]), None)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": ABOUT},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": HEADERS,
            "securitySchemes": {
                SECURITY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token with the scope `read`, `write` or `admin`; each includes those before it",
                }
            },
        },
    }


def _schemas(endpoints: list[Endpoint]) -> tuple[dict[ModelKey, Json], Json]:
    """A reference for each model in each use, and the schemas that they refer to."""
    wanted: list[ModelKey] = [(Problem, "serialization")]
    for endpoint in endpoints:
        wanted.append((endpoint.query, "validation"))
        if endpoint.body is not None:
            wanted.append((endpoint.body, "validation"))
        if endpoint.answer is not None:
            wanted.append((endpoint.answer, "serialization"))
    described, definitions = models_json_schema(list(dict.fromkeys(wanted)), ref_template=SCHEMAS + "{model}")
    return {key: described[key] for key in wanted}, definitions.get("$defs", {})


def _operation(endpoint: Endpoint, references: dict[ModelKey, Json], schemas: Json) -> Json:
    summary, _, description = endpoint.text.partition("\n")
    operation: Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary,
        "parameters": _parameters(endpoint, schemas[_name(references[endpoint.query, "validation"])]),
        "responses": _responses(endpoint, references),
    }
    if description.strip():
        operation["description"] = description.strip()
    if endpoint.scope is not None:
        operation["security"] = [{SECURITY: []}]
        operation["x-scope"] = endpoint.scope
    if endpoint.body is not None:
        content = {JSON_TYPE: {"schema": references[endpoint.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(endpoint: Endpoint, query: Json) -> list[Json]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    required = query.get("required", [])
    for name, schema in query.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": _sent_as_text(schema)}
        if "description" in schema:
            parameter["description"] = parameter["schema"].pop("description")
        parameters.append(parameter)
    if _is_tagged(endpoint):
        text = "ETags of the versions that the client has. If one is current, the response is 304"
        parameters.append({"name": "If-None-Match", "in": "header", "description": text, "schema": {"type": "string"}})
    if endpoint.idempotent:
        text = "Chosen by the client. Requests with the same key within 24 hours are carried out only once"
        schema = {"type": "string", "pattern": KEY_PATTERN}
        parameters.append({"name": KEY_HEADER, "in": "header", "description": text, "schema": schema})
    return parameters


def _sent_as_text(schema: Json) -> Json:
    """The schema of a parameter. An optional one may be absent, but cannot be null."""
    shown = {name: value for name, value in schema.items() if name not in {"anyOf", "title"}}
    alternatives = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if shown.get("default", ...) is None:
        del shown["default"]
    if len(alternatives) == 1:
        return {**alternatives[0], **shown}
    return {**shown, "anyOf": alternatives} if alternatives else shown


def _responses(endpoint: Endpoint, references: dict[ModelKey, Json]) -> Json:
    success: Json = {"description": SUCCESSES[endpoint.status]}
    if endpoint.status not in {204, 303}:
        schema = references[endpoint.answer, "serialization"] if endpoint.answer is not None else {"type": "object"}
        success["content"] = {JSON_TYPE: {"schema": schema}}
    success["headers"] = headers_of(_sent_with_success(endpoint))
    responses = {str(endpoint.status): success}
    if _is_tagged(endpoint):
        names = ["ETag", REQUEST_ID_HEADER]
        responses["304"] = {"description": "Not modified", "headers": headers_of(names)}
    problem = {PROBLEM_TYPE: {"schema": references[Problem, "serialization"]}}
    for status in sorted(_error_statuses(endpoint)):
        # A request without a valid token is refused before it reaches a route.
        waiting = ["Retry-After", REQUEST_ID_HEADER]
        special = {401: ["WWW-Authenticate"], 429: waiting, 503: waiting}
        headers = headers_of(special.get(status, [REQUEST_ID_HEADER]))
        responses[str(status)] = {"description": TITLES[status], "content": problem, "headers": headers}
    return responses


def _sent_with_success(endpoint: Endpoint) -> list[str]:
    names = [REQUEST_ID_HEADER, *endpoint.sends]
    if endpoint.status in {201, 303}:
        names.append("Location")
    if endpoint.status in {200, 201, 202}:
        names.append("ETag")
    if endpoint.answer is not None and issubclass(endpoint.answer, Page):
        names.append("Link")
    if endpoint.idempotent:
        names.append(REPLAYED_HEADER)
    return sorted(set(names))


def _error_statuses(endpoint: Endpoint) -> set[int]:
    """The statuses that follow from the declaration of the route, and those that it lists."""
    statuses = {422, 500, 503, *endpoint.errors}
    if endpoint.scope is not None:
        statuses |= {401, 403, 429}
    if "{" in endpoint.path:
        statuses.add(404)
    if endpoint.method in WITH_BODY:
        statuses.add(413)
    if endpoint.body is not None:
        statuses.add(415)
    if endpoint.idempotent:
        statuses.add(409)
    return statuses


def _is_tagged(endpoint: Endpoint) -> bool:
    return endpoint.method == "GET" and endpoint.status == 200


def _name(reference: Json) -> str:
    return str(reference["$ref"]).removeprefix(SCHEMAS)
