"""Ids in paths. They are opaque to clients: a malformed id is an id of nothing."""

from __future__ import annotations

import uuid

from chalicelib.errors import NotFound

SHOWN_CHARACTERS_MAX = 64


def uuid_of(text: str, thing: str) -> uuid.UUID:
    """The id as a UUID. Raises NotFound, naming the kind of thing; also for another spelling of an existing id."""
    try:
        parsed = uuid.UUID(text)
        if str(parsed) == text:
            return parsed
    except ValueError:
        pass
    raise NotFound(f"there is no {thing} {text[:SHOWN_CHARACTERS_MAX]}")
