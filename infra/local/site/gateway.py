"""API Gateway, inside the execution environment of the API: an HTTP request in, an HTTP answer out.

Chalice's own LocalGateway matches the route, runs the authorizer and calls the view. What a browser should not see of
it (its error bodies, its answer to unknown routes) is turned into problem documents.
"""

from __future__ import annotations

import base64
import importlib
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException, RouteMatcher

from infra.local.lambda_ import triggers
from infra.local.lambda_.context import LambdaContext
from infra.local.site.problems import Answer, problem

UNAUTHORIZED = "Unauthorized"
"""API Gateway answers 401 when an authorizer fails with exactly this message."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: method, path (raw, with its query), headers, body (base64). The answer: see Answer.to_json."""
    path, method = _literal(event["path"]), event["method"]
    if not _is_utf8(path.partition("?")[2]):
        detail = "The parameters are not UTF-8 behind their percent signs."
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail).to_json()
    methods = _methods(path)
    if methods is None:
        return problem(
            HTTPStatus.NOT_FOUND, "not_found", f"There is nothing at {triggers.API_PREFIX}{path.partition('?')[0]}."
        ).to_json()
    if method == "HEAD" and method not in methods:
        method = "GET"
    if method not in methods:
        detail = f"{method} is not possible here; {', '.join(sorted(methods))} is."
        answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        return answer.with_header("Allow", ", ".join(sorted(methods))).to_json()
    return _call(_Gateway(context), method, path, event["headers"], base64.b64decode(event["body"])).to_json()


class _Gateway(LocalGateway):
    """Chalice's, with Lambda's own context."""

    def __init__(self, context: LambdaContext) -> None:
        super().__init__(_app(), Config())
        self._context = context

    def _generate_lambda_context(self) -> Any:
        return self._context


def _call(gateway: _Gateway, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    try:
        response = gateway.handle_request(method, path, headers, body)
    except LocalGatewayException as error:
        return _refused(error.CODE)
    except Exception as error:
        # Views never raise to here; authorizers do.
        if str(error) == UNAUTHORIZED:
            return _refused(HTTPStatus.UNAUTHORIZED)
        raise
    return Answer(response["statusCode"], _headers(response), _body(response))


def _refused(status: int) -> Answer:
    if status == HTTPStatus.UNAUTHORIZED:
        detail = "Send a valid token: Authorization: Bearer …"
        return problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail).with_header("WWW-Authenticate", "Bearer")
    if status == HTTPStatus.FORBIDDEN:
        return problem(HTTPStatus.FORBIDDEN, "forbidden", "This token may not do that.")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The request could not be authorized.")


def _headers(response: dict[str, Any]) -> list[tuple[str, str]]:
    single = [(name, str(value)) for name, value in response["headers"].items()]
    multiple = [(name, str(value)) for name, values in response["multiValueHeaders"].items() for value in values]
    return single + multiple


def _body(response: dict[str, Any]) -> bytes:
    body = response.get("body") or ""
    if response.get("isBase64Encoded"):
        return base64.b64decode(body)
    return body if isinstance(body, bytes) else str(body).encode()


def _methods(path: str) -> set[str] | None:
    """What the application answers at this path; None when there is no such route."""
    routes = _app().routes
    try:
        return set(routes[RouteMatcher(list(routes)).match_route(path).route])
    except ValueError:
        return None


def _literal(target: str) -> str:
    """Chalice's router takes what follows a semicolon for no part of the path; API Gateway does not."""
    path, mark, query = target.partition("?")
    return path.replace(";", "%3B") + mark + query


def _is_utf8(query: str) -> bool:
    """Chalice would put other characters in the place of what cannot be decoded."""
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True


def _app() -> Any:
    return importlib.import_module("app").app
