"""API Gateway, inside the execution environment of the API: takes an HTTP request, returns an HTTP answer.

Chalice's own LocalGateway matches the route, applies the authorizer's decision and calls the view. Its error bodies and
its answer to unknown routes become problem documents.
"""

from __future__ import annotations

import base64
import importlib
import json
import logging
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from chalice.config import Config
from chalice.local import (
    ForbiddenError,
    LocalGateway,
    LocalGatewayAuthorizer,
    LocalGatewayException,
    NotAuthorizedError,
    RouteMatcher,
)

from chalicelib.telemetry import WARNING, log
from infra import gateway_texts
from infra.local.lambda_ import triggers
from infra.local.lambda_.context import LambdaContext
from infra.local.site.authorizer import UNAUTHORIZED, Decision
from infra.local.site.problems import Answer, problem

RESPONSE_BYTES_MAX = 6_291_556
"""The most that Lambda returns: 6 MiB and 100 bytes, of JSON that contains the body as a string."""

_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handles an `event` of method, path (raw, with its query), headers, body (base64) and the caller's address.

    `authorizer` is the decision of authorizer.py. Without it, Chalice runs the authorizer in this process. Returns
    Answer.to_json().
    """
    path, method = _literal(event["path"]), event["method"]
    if not _is_utf8(path.partition("?")[2]):
        detail = "The query parameters are not percent-encoded UTF-8. Encode them as UTF-8."
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail).to_json()
    methods = _methods(path)
    if methods is None:
        return problem(
            HTTPStatus.NOT_FOUND, "not_found", f"{triggers.API_PREFIX}{path.partition('?')[0]} does not exist."
        ).to_json()
    if method == "HEAD" and method not in methods:
        method = "GET"
    if method not in methods:
        detail = f"{method} is not allowed here. Allowed: {', '.join(sorted(methods))}."
        answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        return answer.with_header("Allow", ", ".join(sorted(methods))).to_json()
    gateway = _Gateway(context, event.get("authorizer"))
    answer = _call(gateway, method, path, event["headers"], base64.b64decode(event["body"]))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        _log_refusal(method, path, event["address"])
    return answer.to_json()


def _log_refusal(method: str, path: str, address: str) -> None:
    """As in API Gateway's access log. The authorizer, which does not know the address, logs the reason."""
    log("request without a valid token", level=WARNING, address=address, method=method, path=path.partition("?")[0])


class _Authorizer(LocalGatewayAuthorizer):
    """Chalice's call of the authorizer, which remembers whether the authorizer accepted the caller."""

    accepted: bool | None = None

    def authorize(self, raw_path: str, lambda_event: Any, lambda_context: Any) -> Any:
        """Returns event and context for the view. Raises what the authorizer raises, and LocalGatewayException."""
        event, context = super().authorize(raw_path, lambda_event, lambda_context)
        self.accepted = True if "authorizer" in event["requestContext"] else None
        return event, context


class _Gateway(LocalGateway):
    """Chalice's gateway, with our context for Lambda, and with the decision of an authorizer that has run elsewhere."""

    def __init__(self, context: LambdaContext, decision: Decision | None) -> None:
        super().__init__(_app(), Config())
        self._context = context
        self.authorizer = self._authorizer = _Authorizer(_app()) if decision is None else _Decided(_app(), decision)

    def _generate_lambda_context(self) -> Any:
        return self._context


class _AuthorizerFailed(Exception):
    """The authorizer ended without a decision; the message says where to look."""


class _Decided(_Authorizer):
    """Applies a decision to the routes that need one."""

    def __init__(self, app: Any, decision: Decision) -> None:
        super().__init__(app)
        self._decision = decision

    def authorize(self, raw_path: str, lambda_event: dict[str, Any], lambda_context: Any) -> tuple[Any, Any]:
        route = self._route_for_event(lambda_event)
        if not route or not route.authorizer:
            return lambda_event, lambda_context
        if "error" in self._decision:
            if self._decision["error"] == UNAUTHORIZED:
                raise NotAuthorizedError({}, b"")
            raise _AuthorizerFailed(self._decision["error"])
        arn = self._arn_builder.build_arn(lambda_event["requestContext"]["httpMethod"], raw_path)
        if not self._check_can_invoke_view_function(arn, self._decision["answer"]):
            raise ForbiddenError({}, b"")
        self.accepted = True
        return self._update_lambda_event(lambda_event, self._decision["answer"]), lambda_context


def _call(gateway: _Gateway, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    try:
        response = gateway.handle_request(method, path, headers, body)
    except LocalGatewayException as error:
        return _refused(error.CODE)
    except _AuthorizerFailed as error:
        return problem(HTTPStatus.BAD_GATEWAY, "function_failed", f"The authorizer failed: {error}.")
    except Exception as error:
        # Exceptions of views do not arrive here; those of authorizers do.
        if str(error) == UNAUTHORIZED:
            return _refused(HTTPStatus.UNAUTHORIZED)
        raise
    size_bytes = len(json.dumps(response, default=bytes.decode))
    if size_bytes > RESPONSE_BYTES_MAX:
        return _too_large(size_bytes)
    return Answer(response["statusCode"], _headers(response), _body(response), gateway.authorizer.accepted)


def _too_large(size_bytes: int) -> Answer:
    """What clients of a deployment would get."""
    _logger.error("the response has %s bytes; Lambda returns at most %s", f"{size_bytes:,}", f"{RESPONSE_BYTES_MAX:,}")
    detail = f"The response is too large: {size_bytes:,} bytes, but Lambda returns at most {RESPONSE_BYTES_MAX:,}."
    return problem(HTTPStatus.BAD_GATEWAY, "function_failed", detail)


def _refused(status: int) -> Answer:
    if status == HTTPStatus.UNAUTHORIZED:
        refused = problem(HTTPStatus.UNAUTHORIZED, "unauthorized", gateway_texts.UNAUTHORIZED)
        return replace(refused.with_header("WWW-Authenticate", "Bearer"), signed_in=False)
    if status == HTTPStatus.FORBIDDEN:
        return problem(HTTPStatus.FORBIDDEN, "forbidden", "The token's scope does not allow this.")
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
    """The methods of the application at this path; None when there is no such route."""
    routes = _app().routes
    try:
        return set(routes[RouteMatcher(list(routes)).match_route(path).route])
    except ValueError:
        return None


def _literal(target: str) -> str:
    """Escapes semicolons: Chalice's router would drop what follows one from the path; API Gateway does not."""
    path, mark, query = target.partition("?")
    return path.replace(";", "%3B") + mark + query


def _is_utf8(query: str) -> bool:
    """Whether a query is UTF-8. Chalice would replace what it cannot decode by other characters."""
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True


def _app() -> Any:
    return importlib.import_module("app").app
