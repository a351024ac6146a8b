"""What API Gateway answers by itself, before or instead of our function: problems too, made by the same code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from functions.api.problems import PROBLEM_TYPE, problem


@dataclass(frozen=True)
class _Answer:
    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


_UNAVAILABLE = _Answer(
    503,
    "unavailable",
    "The service is unavailable for a moment. Try again in a few seconds.",
    {"Retry-After": "5"},
)
ANSWERS = {
    "DEFAULT_4XX": _Answer(403, "forbidden", "The request is not allowed."),
    "DEFAULT_5XX": _UNAVAILABLE,
    # By themselves too: else some would keep their status, 500 or 504, above a body that says 503.
    "API_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_FAILURE": _UNAVAILABLE,
    "INTEGRATION_FAILURE": _UNAVAILABLE,
    "INTEGRATION_TIMEOUT": _UNAVAILABLE,
    "BAD_REQUEST_BODY": _Answer(400, "bad_request", "The body cannot be read."),
    "BAD_REQUEST_PARAMETERS": _Answer(400, "bad_request", "The parameters cannot be read."),
    "UNAUTHORIZED": _Answer(
        401, "unauthorized", "A valid token is needed: Authorization: Bearer <token>.", {"WWW-Authenticate": "Bearer"}
    ),
    # What API Gateway says of a route that does not exist.
    "MISSING_AUTHENTICATION_TOKEN": _Answer(404, "not_found", "There is no such address."),
    "RESOURCE_NOT_FOUND": _Answer(404, "not_found", "There is no such address."),
    "REQUEST_TOO_LARGE": _Answer(413, "content_too_large", "The body is larger than 1 MiB."),
    "UNSUPPORTED_MEDIA_TYPE": _Answer(415, "unsupported_media_type", "Only application/json is understood."),
    "THROTTLED": _Answer(429, "too_many_requests", "Too many requests at once. Try again soon.", {"Retry-After": "1"}),
    "QUOTA_EXCEEDED": _Answer(429, "too_many_requests", "Too many requests. Try again later.", {"Retry-After": "60"}),
}
"""By the types of API Gateway. The two defaults stand for the rest; what is known of it is 403."""


def gateway_responses() -> dict[str, Any]:
    """The answers as x-amazon-apigateway-gateway-responses describes them."""
    return {kind: _described(answer) for kind, answer in ANSWERS.items()}


def _described(answer: _Answer) -> dict[str, Any]:
    headers = {"Content-Type": PROBLEM_TYPE, "Cache-Control": "no-store", **answer.headers}
    return {
        "statusCode": str(answer.status),
        "responseParameters": {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
        "responseTemplates": {"application/json": problem(answer.status, answer.code, answer.detail).body},
    }
