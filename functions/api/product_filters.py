"""The query parameters that choose products, checked and ready for the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field

from chalicelib.catalogue.listing import SORTS, Filters
from chalicelib.limits import FILTER_CHARACTERS_MAX
from functions.api.field_types import NO_NUL
from functions.api.paging import WindowQuery
from functions.api.routes import Resource

TEXTS = ("sku", "name", "description", "q")
_ACTIVE = {"true": True, "false": False}


# An empty parameter asks for nothing: that is how forms send what was left out.
Active = Literal["", "true", "false"]
SortName = Literal["", "-id", "id", "sku", "-sku"]
assert {*get_args(SortName)} == {"", *SORTS}

Contained = Annotated[str, Field(max_length=FILTER_CHARACTERS_MAX, json_schema_extra={**NO_NUL})] | None


class ProductQuery(WindowQuery):
    """Which products are wanted, in which order. Texts are contained, in any case; nothing in them is a wildcard."""

    sku: Contained = None
    name: Contained = None
    description: Contained = None
    q: Annotated[Contained, Field(description="In the SKU, the name or the description")] = None
    active: Active | None = None
    sort: Annotated[SortName | None, Field(description="The default is the newest first")] = None


@dataclass(frozen=True)
class Choice:
    """What was asked for. `kept` are the parameters as they were given, for the links to other pages."""

    filters: Filters
    sort: str
    kept: dict[str, str]


def read_choice(resource: Resource) -> Choice:
    """The filters and the sort of a request, which the route's model has checked."""
    kept = {name: value for name in (*TEXTS, "active", "sort") if (value := resource.query(name))}
    texts = {name: kept[name] for name in TEXTS if name in kept}
    active = _ACTIVE[kept["active"]] if "active" in kept else None
    return Choice(Filters(**texts, active=active), kept.get("sort", next(iter(SORTS))), kept)
