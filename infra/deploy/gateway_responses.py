"""The responses that API Gateway sends without calling our function. They are problems too, built by the same code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from functions.api.problems import PROBLEM_TYPE, problem
from infra.gateway_texts import UNAUTHORIZED


@dataclass(frozen=True)
class _Response:
    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


_UNAVAILABLE = _Response(
    503,
    "unavailable",
    "The service is temporarily unavailable. Try again in a few seconds.",
    {"Retry-After": "5"},
)
RESPONSES = {
    "DEFAULT_4XX": _Response(403, "forbidden", "The request is not allowed."),
    "DEFAULT_5XX": _UNAVAILABLE,
    # Listed one by one: with the default alone, some would have the status 500 or 504 and a body that says 503.
    "API_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_FAILURE": _UNAVAILABLE,
    "INTEGRATION_FAILURE": _UNAVAILABLE,
    "INTEGRATION_TIMEOUT": _UNAVAILABLE,
    "BAD_REQUEST_BODY": _Response(400, "bad_request", "The body cannot be read."),
    "BAD_REQUEST_PARAMETERS": _Response(400, "bad_request", "The parameters cannot be read."),
    "UNAUTHORIZED": _Response(
        401,
        "unauthorized",
        UNAUTHORIZED,
        {"WWW-Authenticate": "Bearer"},
    ),
    # The type that API Gateway uses for a route that does not exist.
    "MISSING_AUTHENTICATION_TOKEN": _Response(404, "not_found", "This address does not exist."),
    "RESOURCE_NOT_FOUND": _Response(404, "not_found", "This address does not exist."),
    "REQUEST_TOO_LARGE": _Response(413, "content_too_large", "The body is larger than 1 MiB."),
    "UNSUPPORTED_MEDIA_TYPE": _Response(415, "unsupported_media_type", "The body must be application/json."),
    "THROTTLED": _Response(
        429, "too_many_requests", "Too many requests at once. Try again soon.", {"Retry-After": "1"}
    ),
    "QUOTA_EXCEEDED": _Response(429, "too_many_requests", "Too many requests. Try again later.", {"Retry-After": "60"}),
}
"""By API Gateway's response types. The defaults apply to all other types; among the 4xx, those are all 403."""


def gateway_responses() -> dict[str, Any]:
    """Returns the value of x-amazon-apigateway-gateway-responses."""
    return {kind: _described(response) for kind, response in RESPONSES.items()}


def _described(response: _Response) -> dict[str, Any]:
    headers = {"Content-Type": PROBLEM_TYPE, "Cache-Control": "no-store", **response.headers}
    return {
        "statusCode": str(response.status),
        "responseParameters": {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
        "responseTemplates": {"application/json": problem(response.status, response.code, response.detail).body},
    }
