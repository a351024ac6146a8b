"""The last net under everything that is logged: what looks like a secret is not written, wherever it came from.

Nothing is logged with a secret in it on purpose. But messages of libraries quote addresses, headers and settings, and
tracebacks quote messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.access import tokens
from chalicelib.webhooks import signatures

HIDDEN = "(hidden)"
_NAMES = "password|passwd|secret|token|authorization|cookie|signature|credential|api[-_]?key|access[-_]?key"
_NAME = re.compile(_NAMES, re.IGNORECASE)
_SCHEME = "(?:Bearer|Basic)"
_VALUE = r"""[^\s"'\\,;&<>]"""
# What is repeated before a secret is bounded: else a long text that strangers wrote would take time by its square.
_SECRET = re.compile(
    rf"""
      (?: (?<!\w) (?: {tokens.PREFIX} | {signatures.PREFIX} ) ) [\w+/=-]{{8,}}     # made by us
    | (?P<address> :// [^\s/:@"'\\]{{0,100}} : ) [^\s/@"'\\]{{1,500}} (?= @ )       # user:password@host
    | (?P<scheme> \b {_SCHEME} \s{{1,4}} ) {_VALUE}{{12,}}                            # a header's value
    | (?P<signed> \b v1a?, ) [A-Za-z0-9+/]{{16,}} =*                                # a webhook's signature
    | (?P<named> (?: {_NAMES} ) [\w-]{{0,30}} \\?["']? \s{{0,4}} [=:] \s{{0,4}} \\?["']? )  # password=…, 'Cookie': '…'
        (?: {_SCHEME} \s{{1,4}} | v1a?, )? (?! {re.escape(HIDDEN)} ) {_VALUE}+
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted(content: Any, name: str = "") -> Any:
    """The same content, for JSON, without secrets: neither inside texts, nor under names that say that they are one."""
    if _NAME.search(name):
        return HIDDEN
    if isinstance(content, str):
        return _SECRET.sub(_hide, content)
    if isinstance(content, Mapping):
        return {key: redacted(value, str(key)) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [redacted(each) for each in content]
    return content


def _hide(found: re.Match[str]) -> str:
    """What stands before a secret stays, so that one sees what was there."""
    return f"{next((part for part in found.groups() if part), '')}{HIDDEN}"
