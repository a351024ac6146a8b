"""The headers that answers carry, as the OpenAPI document tells of them. A route may send no other by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "Tells this content from any other of the same address; quote it in If-None-Match",
        "schema": {"type": "string", "pattern": '^(W/)?".*"$'},
    },
    "Idempotent-Replayed": {
        "description": "`true` when the request was carried out before and this is its answer again",
        "schema": {"type": "string", "const": "true"},
    },
    "Link": {
        "description": "The pages after and before this one (`next`, `prev`), as in the body",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Where the thing is", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {
        "description": "Seconds to wait before asking again",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Request-Id": {
        "description": "By this the log knows the request: give it when you ask for help",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "How to authenticate", "schema": {"type": "string"}},
}


def headers_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """References to these headers. Raises KeyError for one that is not described."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names if HEADERS[name]}
