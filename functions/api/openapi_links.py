"""The links of the OpenAPI document: from an answer that shows a thing to all that can be done with the thing.

They follow from the routes: a thing is what `GET /things/{thing_id}` answers with, and its operations stand there and
below. Programs that follow the links, tests among them, reach every operation with an id that exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from functions.api.endpoints import Endpoint

_READ = re.compile(r"/[\w-]+/{(\w+)}")


def links_of(endpoint: Endpoint, known: Sequence[Endpoint]) -> dict[str, dict[str, Any]]:
    """The links of an endpoint's success, by name; none where its answer is not one of the things that can be read."""
    for read in known:
        found = _READ.fullmatch(read.path)
        if found and read.method == "GET" and _shows_the_same(endpoint, read):
            parameters = {found[1]: "$response.body#/id"}
            return {
                other.name: {"operationId": other.name, "parameters": parameters}
                for other in known
                if other is not endpoint and (other.path == read.path or other.path.startswith(f"{read.path}/"))
            }
    return {}


def _shows_the_same(endpoint: Endpoint, read: Endpoint) -> bool:
    """One of the two answers may show more of it."""
    if endpoint.answer is None or read.answer is None:
        return False
    return issubclass(endpoint.answer, read.answer) or issubclass(read.answer, endpoint.answer)
