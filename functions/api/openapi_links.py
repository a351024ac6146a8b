"""The links of the OpenAPI document: from a response that contains a resource to all operations on it.

They follow from the routes: a resource is what `GET /things/{thing_id}` returns, and its operations have this path or
one below it. Programs that follow the links, tests among them, call every operation with an id that exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from functions.api.endpoints import Endpoint

_READ = re.compile(r"/[\w-]+/{(\w+)}")


def links_of(endpoint: Endpoint, known: Sequence[Endpoint]) -> dict[str, dict[str, Any]]:
    """The links of an endpoint's success, by name; none if its response is not a resource that can be read."""
    for read in known:
        matched = _READ.fullmatch(read.path)
        if matched and read.method == "GET" and _returns_the_same(endpoint, read):
            parameters = {matched[1]: "$response.body#/id"}
            return {
                other.name: {"operationId": other.name, "parameters": parameters}
                for other in known
                if other is not endpoint and (other.path == read.path or other.path.startswith(f"{read.path}/"))
            }
    return {}


def _returns_the_same(endpoint: Endpoint, read: Endpoint) -> bool:
    """Whether both return the same resource; one of them may include more fields."""
    if endpoint.answer is None or read.answer is None:
        return False
    return issubclass(endpoint.answer, read.answer) or issubclass(read.answer, endpoint.answer)
