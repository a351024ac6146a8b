"""Whatever is wrong with a request, the response says so in our own words, at the field that is wrong.

Every field of every route is broken in every way that its schema names, and all texts are compared with pydantic's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from functions.api.openapi import document
from tests.integration import gateway as api
from tests.integration.webhooks import create_product, subscribe
from tests.support.plain_errors import OF_PYDANTIC, check
from tests.support.violations import REMOVED, Violation, violations

if TYPE_CHECKING:
    from functions.api.endpoints import Endpoint
    from tests.support.pipeline import Pipeline

JSON = "application/json"
REACHABLE = "http://127.0.0.1:9/hook"
"""The host of an example cannot be resolved."""


def schemas() -> dict[str, Any]:
    """The schemas of the OpenAPI document."""
    found: dict[str, Any] = json.loads(json.dumps(document(api.discovered(), "/api")))["components"]["schemas"]
    return found


def cases() -> Iterator[tuple[Endpoint, str, Violation]]:
    """Every violation of every body."""
    known = schemas()
    for endpoint in api.with_body():
        assert endpoint.body is not None
        for field, violation in violations(known[endpoint.body.__name__], known):
            yield endpoint, field, violation


def broken(endpoint: Endpoint, field: str, violation: Violation) -> bytes:
    """A body that is valid but for this field."""
    body = api.example(endpoint)
    if "url" in body:
        body["url"] = REACHABLE
    body[field] = violation.value
    if violation.value is REMOVED:
        del body[field]
    return json.dumps(body).encode()


def existing(pipeline: Pipeline) -> dict[str, str]:
    """The ids of a product and of a webhook, because the domain, too, checks what they are changed to."""
    webhook = subscribe(pipeline, REACHABLE)
    return {"products": create_product(pipeline)["id"], "webhooks": webhook["id"]}


def message_at(pointer: str, errors: dict[str, str]) -> str:
    """What is wrong with a field. An error of a member may be at the object that has it, if it names the member."""
    if pointer in errors:
        return errors[pointer]
    parent, _, name = pointer.rpartition("/")
    assert parent in errors, (pointer, errors)
    assert name[:20].strip() in errors[parent], (pointer, errors)
    return errors[parent]


def test_the_texts_of_pydantic_are_recognised() -> None:
    for text in (
        "List should have at least 1 item after validation, not 0",
        "Input should be a valid string",
        "String should match pattern '^x$'",
        "Input should be 'read', 'write' or 'admin'",
        "Extra inputs are not permitted",
        "Field required",
        "Value error, something",
        "Expecting value: line 1 column 1 (char 0)",
    ):
        assert OF_PYDANTIC.search(text), text


def test_every_violation_is_reported_at_its_field_in_our_own_words(pipeline: Pipeline) -> None:
    kinds = set()
    ids = existing(pipeline)
    for endpoint, field, violation in cases():
        body = broken(endpoint, field, violation)
        path = api.filled(endpoint.path, ids.get(endpoint.tag, api.SOME_ID))
        found = api.problem(api.ask(endpoint.method, path, pipeline.token, body, Content_Type=JSON), 422)
        errors = {each["pointer"]: each["message"] for each in found["errors"]}
        where = (endpoint.path, violation.kind, violation.pointer, found)
        assert violation.limit in message_at(violation.pointer, errors), where
        for message in errors.values():
            check(message, found["detail"])
        kinds.add(violation.kind)
    assert {"missing", "null", "enum", "pattern", "minimum", "maximum", "duplicate", "name", "format"} <= kinds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The JSON has a syntax error in line 1, column 1."),
        (b'{"a": 1,\n  b}', "The JSON has a syntax error in line 2, column 3."),
        (b"\xff", "The body is not UTF-8: see the byte at offset 0."),
        (b'{"a": 1, "a": 2}', "An object has the same key twice."),
        (b'{"a": NaN}', "JSON has no number NaN."),
        (b"[" * 9_000, "The JSON is nested too deeply."),
        (b"[" * 900 + b"]" * 900, "The JSON is nested too deeply."),
        (b"[" * 10_000, "Has more than 10,000 values. No request needs more than a hundred."),
        (b"[]", "Must be an object."),
        (b"null", "Must be an object, not null."),
        (b'{"a\\u0000": 1}', "The name of a field: Contains a NUL character. Remove it."),
    ],
)
def test_a_body_that_cannot_be_read_is_explained(pipeline: Pipeline, body: bytes, message: str) -> None:
    for endpoint in api.with_body():
        answer = api.ask(endpoint.method, api.filled(endpoint.path), pipeline.token, body, Content_Type=JSON)
        found = api.problem(answer, 422)
        assert found["errors"] == [{"pointer": "/", "message": message}]
        assert found["detail"].endswith(message)


def test_every_violation_of_a_parameter_is_reported_in_our_own_words(pipeline: Pipeline) -> None:
    odd = ["%00", "", "x", "0", "201", "1.5", "%20", "x" * 3000, "2026-11-24", "1&limit=2", "%F0%9F%92%A9"]
    for endpoint in api.discovered():
        for name in [*endpoint.query.model_fields, "never_heard_of"]:
            for value in odd:
                answer = api.ask(endpoint.method, f"{api.filled(endpoint.path)}?{name}={value}", pipeline.token)
                if answer.status == 422:
                    found = api.problem(answer, 422)
                    for each in found["errors"]:
                        assert each["pointer"] in {name, "limit"}
                        check(each["message"], found["detail"])
