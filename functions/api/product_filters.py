"""The query parameters that choose products, checked and ready for the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.catalogue import SORTS, Filters
from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import FILTER_CHARACTERS_MAX
from functions.api.resource import Resource
from functions.api.texts import storable

TEXTS = ("sku", "name", "description", "q")
PARAMETERS = (*TEXTS, "active", "sort", "limit", "cursor")
_ACTIVE = {"true": True, "false": False}


@dataclass(frozen=True)
class Choice:
    """What was asked for. `kept` are the parameters as they were given, for the links to other pages."""

    filters: Filters
    sort: str
    kept: dict[str, str]


def read_choice(resource: Resource) -> Choice:
    """The filters and the sort of a request. An empty parameter asks for nothing. Raises Invalid."""
    resource.refuse_other_parameters(PARAMETERS)
    kept = {name: value for name in (*TEXTS, "active", "sort") if (value := resource.query(name))}
    texts = {name: _text(name, kept[name]) for name in TEXTS if name in kept}
    active = _choose("active", kept["active"], tuple(_ACTIVE)) if "active" in kept else None
    sort = _choose("sort", kept.get("sort", next(iter(SORTS))), tuple(SORTS))
    return Choice(Filters(**texts, active=_ACTIVE[active] if active else None), sort, kept)


def _text(name: str, value: str) -> str:
    if len(value) > FILTER_CHARACTERS_MAX:
        raise _wrong(name, f"at most {FILTER_CHARACTERS_MAX} characters")
    if not storable(value):
        raise _wrong(name, "text without NUL characters, which no product contains")
    return value


def _choose(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}")
    return value


def _wrong(name: str, wanted: str) -> Invalid:
    return Invalid(f"the parameter {name} must be {wanted}", errors=(FieldError(name, f"must be {wanted}"),))
