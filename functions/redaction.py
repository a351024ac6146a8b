"""The last safeguard for everything that is logged: anything that looks like a secret is hidden.

No secret is logged on purpose. But messages of libraries quote addresses, headers and settings, and tracebacks quote
messages. When in doubt, too much is hidden: a value ends with its quotes, its parameter or its line, not with its first
word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.access import tokens
from chalicelib.webhooks import signatures

HIDDEN = "(hidden)"
_NAMES = (
    "password|passwd|passphrase|pwd|secret|token|authorization|cookie|signature|credential"
    "|api[-_]?key|access[-_]?key|private[-_]?key|session[-_]?id"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)
_PARAMETERS = "key|sig|code|auth|hmac|jwt|pass|session|sid"
"""Secret as parameters of an address. Elsewhere, these words are too common."""
_VENDORS = r"(?:AKIA|ASIA)[A-Z0-9]{12,} | (?:xox[a-z]|gh[a-z]|github_pat|[a-z]k_live|[a-z]k_test)[-_][\w-]{10,}"
"""How well-known services begin their keys."""

_QUOTE = r"""(?: \\{0,15} ["'] | %22 | %27 )"""
"""With a backslash for each JSON text that it is inside of, or encoded for an address."""
_QUOTED = r"""b? (?P<quote> \\{0,15} ["'] ) (?: (?! (?<! \\ ) (?P=quote) ) [^\r\n] )*"""
_WORD = r"""[^\s"'\\,;&<>]"""

# Repetitions before a secret are bounded or possessive: otherwise a long foreign text would take quadratic time.
_SECRET = re.compile(
    rf"""
      # our own
      (?: (?<!\w) (?: {tokens.PREFIX} | {signatures.PREFIX} ) ) [\w+/=-]{{8,}}
      # keys of other services, JSON Web Tokens
    | (?<![A-Za-z0-9]) (?: {_VENDORS} | eyJ[\w-]{{8,}} (?: \. [\w-]* ){{1,4}} )
      # a private key
    | (?P<pem> -----BEGIN\ [A-Z0-9 ]{{0,30}}PRIVATE\ KEY----- ) (?: (?! -----END ) [\s\S] )*
      # a webhook of a chat: its path is its password
    | (?P<hook> //hooks\. [\w.-]{{1,100}} / ) [^\s"'\\<>]+
      # user:password@host, password@host
    | (?P<user> :// [^\s/:@"'\\]{{0,100}} : ) [^\s@"'\\]{{1,500}}+ (?= @ )
    | (?P<only> :// ) [^\s/:@?\#"'\\]{{1,500}}+ (?= @ )
      # a webhook's signature
    | (?P<signed> \b v1a?, ) [A-Za-z0-9+/]{{16,}} =*
    | (?P<parameter> [?&;] (?: {_PARAMETERS} ) = ) [^\s"'\\&;<>\#]+
    | (?P<named> (?: {_NAMES} ) [\w-]{{0,30}} {_QUOTE}? \s{{0,4}} )
      (?:
          # 'Cookie': '…', ("cookie", "…")
          (?P<value> (?: [=:] | %3D | %3A | , (?= \s{{0,4}} b? \\{{0,15}} ["'] ) ) \s{{0,4}} ) {_QUOTED}
          # Cookie: …
        | (?P<line> : \s{{0,4}} ) (?! {re.escape(HIDDEN)} ) [^\r\n]+
          # password=…
        | (?P<word> (?: = | %3D | %3A ) \s{{0,4}} (?: %22 | %27 )? )
          (?: (?: Bearer | Basic ) \s{{1,4}} | v1a?, )? (?! {re.escape(HIDDEN)} ) {_WORD}+
      )
      # the value of a header without its name
    | (?P<scheme> \b (?: Bearer | Basic ) \s{{1,4}} ) {_WORD}{{12,}}
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted(content: Any, name: str = "") -> Any:
    """The same content, for JSON, without secrets, whether they are in texts or under names such as `token`."""
    if _NAME.search(name):
        return HIDDEN
    if isinstance(content, str):
        return _SECRET.sub(_hide, content)
    if isinstance(content, Mapping):
        return {key: redacted(value, str(key)) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [redacted(each) for each in content]
    return content


def _hide(match: re.Match[str]) -> str:
    """Keeps the text before a secret, which says what it was, and its opening quote."""
    return f"{''.join(part for part in match.groups() if part)}{HIDDEN}"
