"""Lists: one envelope, opaque cursors, links in the body and in a Link header, an ETag for each page."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from chalice.app import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import CURSOR_CHARACTERS_MAX, PAGE_BYTES_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from functions.api.etags import etag_of
from functions.api.field_types import storable
from functions.api.routes import JSON_TYPE, PREFIX, Headers, Resource, json_text

Key = TypeVar("Key")
Item = TypeVar("Item")
LIMIT_DIGITS_MAX = 3
SORT = "sort"
WHOLE_NUMBER_DIGITS_MAX = 18
"""Any number of this many digits fits into PostgreSQL's bigint. No id and no line is longer."""


def _limit(value: object) -> object:
    """Refuses ` 5`, `5.0` and `1_0`, which pydantic would accept as numbers."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= LIMIT_DIGITS_MAX):
        raise ValueError(f"must be a whole number from 1 to {PAGE_ITEMS_MAX}")
    return value


Limit = Annotated[
    int,
    Field(
        ge=1,
        le=PAGE_ITEMS_MAX,
        description="The maximum number of items in a page. A page of long items has fewer, and a `next` link",
    ),
    BeforeValidator(_limit),
]


class WindowQuery(BaseModel):
    """The parameters of every list. Lists with filters inherit from it."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = PAGE_ITEMS_DEFAULT
    cursor: Annotated[
        Annotated[str, Field(max_length=CURSOR_CHARACTERS_MAX, json_schema_extra={"format": "cursor"})] | None,
        Field(description="Opaque. Taken from the `next` or `prev` link of a page"),
    ] = None


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    total: Annotated[int, Field(ge=0, description="The number of items in the whole list")]
    total_is_estimate: Annotated[bool, Field(description="Whether `total` is an estimate")] = False
    next: Annotated[str | None, Field(description="The link to the next page; null on the last one")]
    prev: Annotated[str | None, Field(description="The link to the previous page; null on the first one")]


@dataclass(frozen=True)
class Window:
    """The requested part of a list: `limit` items after the key `after`, or before the key `before`.

    `sort` is the order, for lists that offer several; `kept` are the parameters that links to other pages repeat.
    """

    limit: int
    after: str | None = None
    before: str | None = None
    sort: str | None = None
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Total:
    """The number of items in the whole list; an estimate if counting them would take too long."""

    items: int
    is_estimate: bool = False


def read_window(resource: Resource, sort: str | None = None, kept: Mapping[str, str] | None = None) -> Window:
    """The window that the request's `limit` and `cursor` describe. Raises Invalid, also for another sort's cursor."""
    position = _decode(resource.query("cursor"))
    if position and position.pop(SORT, None) != sort:
        raise _bad_cursor("the cursor belongs to another sort order; start again without it")
    limit = resource.query("limit")  # Within its bounds: the route's model has checked it.
    return Window(PAGE_ITEMS_DEFAULT if limit is None else int(limit), sort=sort, kept=kept or {}, **position)


def checked(key: str | None, parse: Callable[[str], Key]) -> Key | None:
    """A cursor's key, parsed. `parse` raises ValueError for a malformed key. Raises Invalid."""
    if key is None:
        return None
    try:
        return parse(key)
    except ValueError:
        raise _bad_cursor() from None


def whole_number(key: str) -> int:
    """For `checked`: parses a key that is a number, such as a line or an id."""
    if not (key.isascii() and key.isdigit() and len(key) <= WHOLE_NUMBER_DIGITS_MAX):
        raise ValueError
    return int(key)


def text(key: str) -> str:
    """For `checked`: parses a key that is a text, which PostgreSQL must be able to store."""
    if not storable(key):
        raise ValueError
    return key


def fitting(items: Iterable[BaseModel]) -> int:
    """How many of the items, from the first on, fit into one response. The first one always does."""
    sizes = accumulate(len(item.model_dump_json().encode()) + len(",") for item in items)
    return max(1, bisect_right(list(sizes), PAGE_BYTES_MAX))


def page_response(
    path: str,
    window: Window,
    keys: Sequence[object],
    items: Sequence[BaseModel],
    total: Total,
    own: Mapping[str, Any] | None = None,
) -> Response:
    """A page as a response. `items` are up to limit + 1 in the list's order; the extra one is at the window's far end.

    `keys` are the items' keys, for the links. `own` are fields that only this list has. What does not fit into the
    response is left to the following page, as the extra item is.
    """
    backwards = window.before is not None
    found = list(zip(keys, items, strict=True))[:: -1 if backwards else 1]
    nearest = found[: min(window.limit, fitting(item for _, item in found))]
    more = len(nearest) < len(found)
    shown = nearest[:: -1 if backwards else 1]
    has_next = backwards or more
    has_prev = more if backwards else window.after is not None
    content = Page[Any](
        items=[item for _, item in shown],
        total=total.items,
        total_is_estimate=total.is_estimate,
        next=_link(path, window, after=shown[-1][0]) if shown and has_next else None,
        prev=_link(path, window, before=shown[0][0]) if shown and has_prev else None,
    )
    text = json_text({**content.model_dump(mode="json"), **(own or {})})
    headers: Headers = {"Content-Type": JSON_TYPE, "ETag": etag_of(text)}
    links = [f'<{url}>; rel="{rel}"' for url, rel in ((content.next, "next"), (content.prev, "prev")) if url]
    if links:
        headers["Link"] = ", ".join(links)
    return Response(body=text, headers=headers)


def _link(path: str, window: Window, **position: Any) -> str:
    if window.sort is not None:
        position[SORT] = window.sort
    written = json.dumps(position, default=str, ensure_ascii=False)
    cursor = base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")
    return f"{PREFIX}{path}?{urlencode({**window.kept, 'limit': window.limit, 'cursor': cursor})}"


def _decode(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        sort = {SORT: str(position.pop(SORT))} if SORT in position else {}
        ((direction, key),) = position.items()
    except (binascii.Error, ValueError, AttributeError, TypeError, RecursionError):
        raise _bad_cursor() from None
    if direction not in {"after", "before"} or not isinstance(key, (str, int)):
        raise _bad_cursor()
    return {direction: str(key), **sort}


def _bad_cursor(message: str = "the cursor is invalid; start again without it") -> Invalid:
    return Invalid(
        message,
        errors=(FieldError("cursor", "use the cursor from the next or prev link of a page"),),
    )
