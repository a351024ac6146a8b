"""Lists: one envelope, opaque cursors, the same links in a Link header."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from functions.api.resource import JSON_TYPE, PREFIX, Headers, Resource

Key = TypeVar("Key")
CURSOR_CHARACTERS_MAX = 500


@dataclass(frozen=True)
class Window:
    """The part of a list that is asked for: `limit` items after the key `after`, or before the key `before`."""

    limit: int
    after: str | None = None
    before: str | None = None


def read_window(resource: Resource) -> Window:
    """The window that the request's `limit` and `cursor` describe. Raises Invalid."""
    return Window(limit=_limit(resource.query("limit")), **_decode(resource.query("cursor")))


def checked(key: str | None, parse: Callable[[str], Key]) -> Key | None:
    """A cursor's key as its type; parse raises ValueError for what cannot be one. Raises Invalid."""
    if key is None:
        return None
    try:
        return parse(key)
    except ValueError:
        raise _bad_cursor() from None


def page(
    path: str, window: Window, found: Sequence[Mapping[str, Any]], key: str, items: list[Any], total: int
) -> Response:
    """The answer. `found` are up to limit + 1 rows in the list's order; the extra one is at the window's far end."""
    backwards = window.before is not None
    more = len(found) > window.limit
    shown = list(zip(found, items, strict=True))
    if more:
        shown = shown[1:] if backwards else shown[:-1]
    has_next = more if not backwards else True
    has_prev = more if backwards else window.after is not None
    following = _link(path, window.limit, after=shown[-1][0][key]) if shown and has_next else None
    previous = _link(path, window.limit, before=shown[0][0][key]) if shown and has_prev else None
    links = [f'<{url}>; rel="{rel}"' for url, rel in ((following, "next"), (previous, "prev")) if url]
    content = {
        "items": [item for _, item in shown],
        "total": total,
        "total_is_estimate": False,
        "next": following,
        "prev": previous,
    }
    headers: Headers = {"Content-Type": JSON_TYPE, "Cache-Control": "private, no-cache"}
    if links:
        headers["Link"] = ", ".join(links)
    return Response(body=json.dumps(content, ensure_ascii=False), headers=headers)


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_ITEMS_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= PAGE_ITEMS_MAX):
        message = f"a whole number from 1 to {PAGE_ITEMS_MAX}"
        raise Invalid(f"limit must be {message}", errors=(FieldError("limit", message),))
    return int(text)


def _link(path: str, limit: int, **position: Any) -> str:
    cursor = base64.urlsafe_b64encode(json.dumps(position, default=str).encode()).decode().rstrip("=")
    return f"{PREFIX}{path}?{urlencode({'limit': limit, 'cursor': cursor})}"


def _decode(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    try:
        if len(cursor) > CURSOR_CHARACTERS_MAX:
            raise _bad_cursor()
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        ((direction, key),) = position.items()
    except (binascii.Error, ValueError, AttributeError, RecursionError):
        raise _bad_cursor() from None
    if direction not in {"after", "before"} or not isinstance(key, (str, int)):
        raise _bad_cursor()
    return {direction: str(key)}


def _bad_cursor() -> Invalid:
    return Invalid(
        "the cursor is not one of ours; start again without it",
        errors=(FieldError("cursor", "take it from the next or prev link of a page"),),
    )
