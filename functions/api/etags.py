"""Entity tags: the lists of them that clients send in If-Match and If-None-Match (RFC 9110, 8.8.3 and 13.1)."""

from __future__ import annotations

import re

ANY = "*"
_TAG = re.compile(r'(W/)?("[^"]*")')


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether a reader has this version already. A proxy that compressed it may have weakened the tag."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == ANY or etag in (tag for _, tag in _TAG.findall(if_none_match))


def strong_tags(if_match: str | None) -> list[str] | None:
    """The tags of which one must be the current one; None when any will do. Weak tags and nonsense never match."""
    if if_match is None or if_match.strip() == ANY:
        return None
    return [tag for weak, tag in _TAG.findall(if_match) if not weak]
