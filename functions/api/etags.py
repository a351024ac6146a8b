"""Entity tags, If-Match and If-None-Match (RFC 9110, 8.8.3 and 13.1): nobody overwrites what they have not seen, and
polling costs nothing while nothing changes."""

from __future__ import annotations

import hashlib
import re

from chalice.app import Response

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))+")


def etag_of(text: str) -> str:
    """The tag of a representation: the same text has the same tag in every process."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether a client that sent this header has the representation already. Comparison is weak, as for any GET.

    A header that is not a list of tags is ignored: the answer is then sent whole, which is never wrong.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    if not _LIST.fullmatch(if_none_match):
        return False
    return _TAG.fullmatch(etag) is not None and _opaque(etag) in _TAG.findall(if_none_match)


def strong_tags(if_match: str | None) -> list[str] | None:
    """The tags of which one must be the current one; None when any will do. Weak tags and nonsense never match."""
    if if_match is None or if_match.strip() == "*":
        return None
    return [matched[0] for matched in _TAG.finditer(if_match) if not matched[0].startswith("W/")]


def not_modified(answer: Response, method: str, if_none_match: str | None) -> Response:
    """The answer, or 304 in its place when a GET finds what the client has."""
    etag = answer.headers.get("ETag")
    if answer.status_code != 200 or method != "GET" or not isinstance(etag, str) or not is_known(etag, if_none_match):
        return answer
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Response(body="", status_code=304, headers=headers)


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")[1:-1]
