"""The query parameters that filter and sort products, checked and ready for the catalogue."""

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


# An empty parameter does not filter: forms send empty fields like this. A blank text does not filter either.
Active = Literal["", "true", "false"]
SortName = Literal["", "-id", "id", "sku", "-sku"]
assert {*get_args(SortName)} == {"", *SORTS}

Contained = Annotated[str, Field(max_length=FILTER_CHARACTERS_MAX, json_schema_extra={**NO_NUL})] | None


class ProductQuery(WindowQuery):
    """Which products, in which order. Texts match as substrings, as SKUs are compared; `%` and `_` are literal.

    A text is trimmed; a blank one does not filter. Upper and lower case, and composed and decomposed letters, are the
    same.
    """

    sku: Contained = None
    name: Contained = None
    description: Contained = None
    q: Annotated[Contained, Field(description="Matches in the SKU, the name or the description")] = None
    active: Active | None = None
    sort: Annotated[SortName | None, Field(description="Newest first by default")] = None


@dataclass(frozen=True)
class Choice:
    """The filters and the sort of a request. `kept` are the parameters as given, for the links to other pages."""

    filters: Filters
    sort: str
    kept: dict[str, str]


def read_choice(resource: Resource) -> Choice:
    """Reads the filters and the sort of a request, which the route's model has already checked."""
    kept = {name: value for name in (*TEXTS, "active", "sort") if (value := resource.query(name))}
    texts = {name: kept[name] for name in TEXTS if name in kept}
    active = _ACTIVE[kept["active"]] if "active" in kept else None
    return Choice(Filters(**texts, active=active), kept.get("sort", next(iter(SORTS))), kept)
