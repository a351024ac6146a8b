"""Ids in paths. They are opaque to clients: what cannot be one of ours does not exist."""

from __future__ import annotations

import uuid

from chalicelib.errors import NotFound

SHOWN_CHARACTERS_MAX = 64


def uuid_of(text: str, thing: str) -> uuid.UUID:
    """The id as a UUID. Raises NotFound, naming the kind of thing; also for another spelling of one that exists."""
    try:
        found = uuid.UUID(text)
        if str(found) == text:
            return found
    except ValueError:
        pass
    raise NotFound(f"there is no {thing} {text[:SHOWN_CHARACTERS_MAX]}")
