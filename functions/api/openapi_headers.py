"""The response headers, as the OpenAPI document describes them. A route can declare no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "Identifies this version of the content. Send it in If-None-Match",
        "schema": {"type": "string", "pattern": '^(W/)?".*"$'},
    },
    "Idempotent-Replayed": {
        "description": "`true` if the request was carried out before, and this is the same response again",
        "schema": {"type": "string", "const": "true"},
    },
    "Link": {
        "description": "Links to the next and the previous page (`next`, `prev`), as in the body",
        "schema": {"type": "string"},
    },
    "Location": {"description": "The URL of the resource", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {
        "description": "How many seconds to wait before the next request",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Request-Id": {
        "description": "The id of the request in our log. Quote it if you ask for help",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "How to authenticate", "schema": {"type": "string"}},
}


def headers_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """References to these headers. Raises KeyError for a header that is not described."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names if HEADERS[name]}
