"""The declaration of a route: all that is needed to guard it and to describe it in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from chalice.app import Chalice, Response
from pydantic import BaseModel, ConfigDict

View = Callable[..., Response]
Rebuild = Callable[[str], Response]
"""Builds the response to a repeated request from the id at the end of the first response's Location."""
REQUEST_ID_HEADER = "X-Request-Id"
"""On every response of a route. The log lines of the request carry this id."""
NEVER_STORED = {"Cache-Control": "no-store"}
"""For every response. Browsers keep no copy of products, links or secrets on the disk of a shared computer."""
_ATTRIBUTE = "endpoint"


class NoParameters(BaseModel):
    """The model of a route without query parameters."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Endpoint:
    """One route. `Resource.endpoint` describes the parts."""

    method: str
    path: str
    scope: str | None
    view: View
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    query: type[BaseModel] = NoParameters
    errors: tuple[int, ...] = ()
    sends: tuple[str, ...] = ()
    idempotent: bool | Rebuild = False

    @property
    def name(self) -> str:
        """The unique name, for generated clients."""
        return str(self.view.__name__)

    @property
    def text(self) -> str:
        """What the route does, for people: the view's docstring."""
        return getdoc(self.view) or ""

    @property
    def tag(self) -> str:
        """The resource that the route belongs to."""
        return self.path.split("/")[1].partition(".")[0]


def attach(view: View, endpoint: Endpoint) -> None:
    """Attaches the endpoint to the view that Chalice holds."""
    setattr(view, _ATTRIBUTE, endpoint)


def endpoints_of(app: Chalice) -> Iterator[Endpoint]:
    """The endpoint of every route of the application. Raises AttributeError for a route without one."""
    routes: dict[str, dict[str, Any]] = app.routes
    for path in sorted(routes):
        for method in sorted(routes[path]):
            endpoint: Endpoint = getattr(routes[path][method].view_function, _ATTRIBUTE)
            yield endpoint
