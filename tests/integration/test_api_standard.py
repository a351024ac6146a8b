"""Rules for every route of the API. The routes are taken from the application, so new ones are tested, too."""

from __future__ import annotations

import base64
import gzip
import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.access import tokens

if TYPE_CHECKING:
    from functions.api.endpoints import Endpoint
    from tests.support.pipeline import Pipeline

SCOPES: dict[str, str | None] = {
    "DELETE /products/{product_id}": "write",
    "DELETE /tokens/{token_id}": "admin",
    "DELETE /webhooks/{webhook_id}": "admin",
    "GET /bulk-deletes": "read",
    "GET /bulk-deletes/{bulk_delete_id}": "read",
    "GET /deliveries/{delivery_id}": "read",
    "GET /event-types": "read",
    "GET /events": "read",
    "GET /exports": "read",
    "GET /exports/{export_id}": "read",
    "GET /health": None,
    "GET /imports": "read",
    "GET /imports/{import_id}": "read",
    "GET /imports/{import_id}/rejected-rows": "read",
    "GET /imports/{import_id}/rejected-rows.csv": "read",
    "GET /imports/{import_id}/throughput": "read",
    "GET /openapi.json": None,
    "GET /products": "read",
    "GET /products/{product_id}": "read",
    "GET /tokens": "admin",
    "GET /tokens/current": "read",
    "GET /tokens/{token_id}": "admin",
    "GET /webhooks": "read",
    "GET /webhooks/{webhook_id}": "read",
    "GET /webhooks/{webhook_id}/deliveries": "read",
    "PATCH /products/{product_id}": "write",
    "PATCH /webhooks/{webhook_id}": "admin",
    "POST /bulk-deletes": "admin",
    "POST /deliveries/{delivery_id}/redeliver": "write",
    "POST /exports": "read",
    "POST /imports": "write",
    "POST /imports/{import_id}/cancel": "write",
    "POST /imports/{import_id}/retry": "write",
    "POST /products": "write",
    "POST /tokens": "admin",
    "POST /webhooks": "admin",
    "POST /webhooks/{webhook_id}/redeliver": "write",
    "POST /webhooks/{webhook_id}/rotate-secret": "admin",
    "POST /webhooks/{webhook_id}/test": "admin",
    "PUT /products/{product_id}": "write",
}
"""The scope that each route should need, listed independently: a forgotten scope makes the two differ."""
ENDED = {"revoked": "revoked_at", "expired": "expires_at"}
"""How a token can end, and the column that says when it did."""
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"}
JSON = "application/json"

NOT_JSON = [
    b"",
    b"{",
    b"nul",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"{}{}",
    b"{'a': 1}",
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e400}',
    b'{"a": ' + b"1" * 401 + b"}",
    b'{"a": ' + b"1" * 5000 + b"}",
    b'{"a": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"a": "\\u0000"}',
    b'{"a": "\x00"}',
    b"[" * 10_000,
    b'{"a":' * 10_000,
    b"[" * 900 + b'"\\u0000"' + b"]" * 900,
]
NO_OBJECT = [b"[]", b"null", b"true", b"1", b'"text"']
GARBAGE = [
    "%00",
    "%ff",
    "%2e%2e",
    "%",
    "%zz",
    "..",
    "'",
    '"',
    "%C3%28",
    "%F0%9F",
    "x" * 5000,
    "0",
    "-1",
    "9" * 400,
    "\xff",
]

ODD_VALUES = ["%ff", "%ED%A0%80", "%F0%9F%92%A9", "9" * 400, "-1", "%2527", "", "%E2%80%AE", "NaN", "1e400"]


CURSORS = [
    b"", b"{}", b"[]", b"null", b"1", b'"after"', b"{", b"\xff", b"[" * 1_000, b'{"after":' * 100,
    b'{"after": null}', b'{"after": true}', b'{"after": 1.5}', b'{"after": []}', b'{"after": {"after": 1}}',
    b'{"after": 1, "before": 1}', b'{"before": NaN}', b'{"middle": "1"}', b'{"after": ""}', b'{"after": "\\u0000"}',
    b'{"after": "\\ud800"}', b'{"after": "\' or 1=1 --"}', b'{"after": "-1"}', b'{"after": "1e3"}',
    b'{"after": "' + b"9" * 400 + b'"}', b'{"after": ' + b"9" * 900 + b"}", b'{"sort": "x", "after": "1"}',
    b'{"sort": {}, "after": "1"}', "{\"after\": \"\u0661\"}".encode(),
]  # fmt: skip
"""What could be inside a cursor that no page has given out. Lists with keys of another type refuse each of these."""


@pytest.fixture
def api(pipeline: Pipeline) -> ModuleType:
    """The gateway to the application, which needs the environment that the pipeline sets."""
    from tests.integration import gateway

    return gateway


@pytest.fixture
def routes(api: ModuleType) -> list[Endpoint]:
    """Every route of the application."""
    found: list[Endpoint] = api.discovered()
    return found


def test_every_route_needs_the_listed_scope(routes: list[Endpoint]) -> None:
    assert {f"{each.method} {each.path}": each.scope for each in routes} == SCOPES


@pytest.mark.parametrize("held", [None, "unknown", "revoked", "expired", "read", "write", "admin"])
def test_no_route_answers_without_its_scope(
    pipeline: Pipeline, api: ModuleType, routes: list[Endpoint], held: str | None
) -> None:
    token = _held(pipeline, held)
    for each in routes:
        answer = api.ask(each.method, api.filled(each.path), token)
        needed = SCOPES[f"{each.method} {each.path}"]
        if needed is not None and held not in tokens.SCOPES:
            assert api.problem(answer, 401)["code"] == "unauthorized"
            assert dict(answer.headers)["WWW-Authenticate"] == "Bearer"
        elif needed is not None and tokens.SCOPES.index(held or "") < tokens.SCOPES.index(needed):
            assert f"the scope {needed}" in api.problem(answer, 403)["detail"]
        else:
            assert answer.status not in {401, 403}, (each.path, answer.body)
            assert answer.status < 500, (each.path, answer.body)


def _held(pipeline: Pipeline, state: str | None) -> str | None:
    """A token in this state, or with this scope."""
    if state in {None, "unknown"}:
        return state
    token = tokens.install(pipeline.services.owner_conninfo, "held", [state if state in tokens.SCOPES else "admin"])
    if state in ENDED:
        pipeline.sql(f"update api_token set {ENDED[state]} = now() where name = 'held' and revoked_at is null")
    return token


@pytest.mark.parametrize(
    "header", ["X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override", "X_Original_URL", "X_Rewrite_URL"]
)
def test_no_header_changes_the_method_or_the_path(pipeline: Pipeline, api: ModuleType, header: str) -> None:
    created = pipeline.call("POST", "/products", {"sku": "A", "name": "x"}).json
    path = f"/products/{created['id']}"
    for value in ("DELETE", "/health"):
        assert api.content(api.ask("GET", path, pipeline.token, **{header: value})) == created
        assert api.ask("POST", path, pipeline.token, b"{}", Content_Type=JSON, **{header: value}).status == 405
    assert api.ask("GET", f"{path}?_method=DELETE", pipeline.token).status == 422


@pytest.mark.parametrize("content", CURSORS)
def test_a_cursor_that_no_page_has_given_out_is_refused(
    pipeline: Pipeline, api: ModuleType, routes: list[Endpoint], content: bytes
) -> None:
    import_id = pipeline.register(5)["id"]
    cursor = base64.urlsafe_b64encode(content).decode().rstrip("=")
    lists = [each for each in routes if "cursor" in each.query.model_fields and "/webhooks/{" not in each.path]
    assert len(lists) >= 6
    for each in lists:
        answer = api.ask("GET", f"{api.filled(each.path, import_id)}?cursor={cursor}", pipeline.token)
        assert api.problem(answer, 422)["errors"][0]["pointer"] == "cursor"


@pytest.mark.parametrize("body", [*NOT_JSON, *NO_OBJECT])
def test_a_body_that_is_not_a_plain_json_object_is_refused(pipeline: Pipeline, api: ModuleType, body: bytes) -> None:
    for each in api.with_body():
        found = api.problem(api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON), 422)
        assert found["errors"], found


def test_an_unknown_field_is_refused(pipeline: Pipeline, api: ModuleType) -> None:
    for each in api.with_body():
        body = json.dumps({**api.example(each), "never_heard/of": 1}).encode()
        found = api.problem(api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON), 422)
        message = "Unknown field “never_heard/of”. Remove it."
        assert found["errors"] == [{"pointer": "/never_heard~1of", "message": message}]
        assert found["detail"] == f"The request body has an error. never_heard~1of: {message}"


def test_a_duplicate_field_is_refused(pipeline: Pipeline, api: ModuleType) -> None:
    for each in api.with_body():
        text = json.dumps(api.example(each))
        first = json.dumps(next(iter(api.example(each).items())))[1:-1].replace(", ", ": ", 1)
        body = f"{text[:-1]}, {first}}}".encode()
        found = api.problem(api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON), 422)
        assert "twice" in found["errors"][0]["message"]


def test_no_value_of_any_field_crashes_a_route(pipeline: Pipeline, api: ModuleType) -> None:
    harmful: list[Any] = ["\0", "a\0b", "\ud800", "x\udfffx", 10**400, -(10**400), 2**63, -(2**63) - 1]
    odd: list[Any] = [None, True, [], {}, [[]], {"a": {}}, 0, -1, 0.5, "", " ", "x" * 100_000, "\u202e", "\U0010ffff"]
    for each in api.with_body():
        assert each.body is not None
        for field in each.body.model_fields:
            for value in [*harmful, *odd]:
                body = json.dumps({**api.example(each), field: value}).encode()
                answer = api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON)
                if value in harmful:
                    assert api.problem(answer, 422)["errors"]
                elif answer.status >= 400:
                    api.problem(answer, 404, 409, 412, 422, 428, 429)


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/json-patch+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x, application/json",
        "application/json; charset=utf-16",
        "Application/JSON;charset=ISO-8859-1",
        'application/json; a=b; Charset = "utf-7"',
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset=",
    ],
)
def test_only_json_in_utf8_is_accepted(pipeline: Pipeline, api: ModuleType, media_type: str | None) -> None:
    for each in api.with_body():
        headers = {} if media_type is None else {"Content_Type": media_type}
        answer = api.ask(
            each.method, api.filled(each.path), pipeline.token, json.dumps(api.example(each)).encode(), **headers
        )
        assert api.problem(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "media_type", [JSON, " Application/JSON ", f"{JSON}; charset=utf-8", f'{JSON};CHARSET="UTF-8"', f"{JSON}; v=1"]
)
def test_json_may_be_named_with_its_charset(pipeline: Pipeline, api: ModuleType, media_type: str) -> None:
    body = b'{"sku": "A", "name": "x"}'
    assert api.ask("POST", "/products", pipeline.token, body, Content_Type=media_type).status == 201


def test_a_body_of_more_than_a_mebibyte_is_refused(pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]) -> None:
    for each in routes:
        if each.method != "GET":
            body = b" " * (limits.BODY_BYTES_MAX + 1)
            answer = api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON)
            assert api.problem(answer, 413)["code"] == "body_too_large"


def test_unknown_parameters_are_refused(pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]) -> None:
    for each in routes:
        path = api.filled(each.path)
        found = api.problem(api.ask(each.method, f"{path}?never_heard_of=1", pipeline.token), 422)
        message = "Unknown parameter “never_heard_of”. Remove it."
        assert found["errors"] == [{"pointer": "never_heard_of", "message": message}]
        for name in each.query.model_fields:
            for query in (f"{name}=%00", f"{name}=1&{name}=1"):
                found = api.problem(api.ask(each.method, f"{path}?{query}", pipeline.token), 422)
                assert found["errors"][0]["pointer"] == name
            for value in ODD_VALUES:
                answer = api.ask(each.method, f"{path}?{name}={value}", pipeline.token)
                assert answer.status < 500, (path, name, value, answer.body)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_garbled_id_is_not_found(pipeline: Pipeline, api: ModuleType, routes: list[Endpoint], garbage: str) -> None:
    for each in routes:
        if "{" in each.path:
            body = json.dumps(api.example(each)).encode() if each.body else b""
            answer = api.ask(each.method, api.filled(each.path, garbage), pipeline.token, body, Content_Type=JSON)
            api.problem(answer, 404, 428)


@pytest.mark.parametrize("spelling", ["{%s}", "urn:uuid:%s", "%s;x=1", "%s%%20", "%s/.", "(%s)"])
def test_another_spelling_of_an_id_is_not_found(pipeline: Pipeline, api: ModuleType, spelling: str) -> None:
    import_id = pipeline.register(5)["id"]
    made = pipeline.call("POST", "/products", {"sku": "A", "name": "x"}).json["id"]
    for path, known in (("/imports", import_id), ("/products", made)):
        assert api.ask("GET", f"{path}/{known}", pipeline.token).status == 200
        for other in (spelling % known, known.upper() + "0", known.replace("-", "") + "%20"):
            assert api.problem(api.ask("GET", f"{path}/{other}", pipeline.token), 404)["code"] == "not_found"
    for other in (import_id.upper(), import_id.replace("-", "")):
        assert api.problem(api.ask("GET", f"/imports/{other}", pipeline.token), 404)["code"] == "not_found"


def test_a_compressed_body_is_refused(pipeline: Pipeline, api: ModuleType) -> None:
    for each in api.with_body():
        body = gzip.compress(json.dumps(api.example(each)).encode())
        headers = {"Content_Type": JSON, "Content_Encoding": "gzip"}
        found = api.problem(api.ask(each.method, api.filled(each.path), pipeline.token, body, **headers), 415)
        assert "Content-Encoding" in found["detail"]


def test_a_query_that_is_not_utf8_is_refused(pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]) -> None:
    """Replacing the bytes by other characters would change the meaning of the request."""
    for each in routes:
        for query in ("sku=%ff", "q=a%ED%A0%80", "%ff=1", "name=%C3"):
            found = api.problem(api.ask(each.method, f"{api.filled(each.path)}?{query}", pipeline.token), 422)
            assert "UTF-8" in found["detail"]


def test_messages_about_parameters_are_our_own(pipeline: Pipeline, api: ModuleType) -> None:
    found = api.problem(api.ask("GET", "/products?limit=x", pipeline.token), 422)
    message = f"Must be a whole number from 1 to {limits.PAGE_ITEMS_MAX}."
    assert found["detail"] == f"The query has an error. limit: {message}"
    assert found["errors"] == [{"pointer": "limit", "message": message}]


def test_a_response_does_not_grow_with_the_number_of_errors(pipeline: Pipeline, api: ModuleType) -> None:
    for each in api.with_body():
        body = json.dumps({**api.example(each), **{f"unknown {number}": 1 for number in range(9_000)}}).encode()
        answer = api.ask(each.method, api.filled(each.path), pipeline.token, body, Content_Type=JSON)
        found = api.problem(answer, 422)
        assert found["detail"].startswith(
            "The request body has 9,000 errors, of which the first 50 are listed. unknown 0: "
        )
        assert len(found["errors"]) == limits.PROBLEM_ERRORS_MAX


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/products;a=b",
        "/imports/a/b/c/d",
        "//",
        "//[",
        "/%00",
        "/%",
        "/imports%2f",
        "/health/..",
        "/\xff",
    ],
)
def test_unknown_routes_are_problems(pipeline: Pipeline, api: ModuleType, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert api.problem(api.ask(method, path, pipeline.token), 404)["code"] == "not_found"


def test_wrong_methods_are_problems_that_list_the_allowed_ones(
    pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]
) -> None:
    for path in {each.path for each in routes}:
        known = {each.method for each in routes if each.path == path}
        for method in METHODS - known:
            answer = api.ask(method, api.filled(path), pipeline.token)
            assert api.problem(answer, 405)["code"] == "method_not_allowed"
            assert dict(answer.headers)["Allow"] == ", ".join(sorted(known))


def test_no_response_may_be_stored(pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]) -> None:
    """Neither successes nor problems, nor 304: products and links would stay on the disk of a shared computer."""
    statuses = set()
    for each in routes:
        for token in (pipeline.token, None):
            answer = api.ask(each.method, api.filled(each.path), token, If_None_Match="*")
            statuses.add(answer.status)
            if answer.status != 401:  # The authorizer answers in place of the route.
                assert dict(answer.headers)["Cache-Control"] == "no-store", (each.method, each.path)
    assert statuses >= {304, 401, 404, 415}


def test_every_response_to_get_has_a_tag_and_is_not_sent_twice(
    pipeline: Pipeline, api: ModuleType, routes: list[Endpoint]
) -> None:
    tagged = 0
    for each in routes:
        if each.method != "GET" or "{" in each.path:
            continue
        first = api.ask("GET", each.path, pipeline.token)
        tag = dict(first.headers)["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', f'W/"x",W/{tag} ', "*"):
            again = api.ask("GET", each.path, pipeline.token, If_None_Match=known)
            assert (again.status, again.body) == (304, b""), (each.path, known)
            assert dict(again.headers)["ETag"] == tag
        for other in ('"other"', tag.strip('"'), f'"x{tag[1:]}', f"{tag} {tag}", "", '"'):
            assert api.ask("GET", each.path, pipeline.token, If_None_Match=other).status == 200, (each.path, other)
        tagged += 1
    assert tagged >= 3
