"""Which URLs and headers a request may have, judged by their text alone: no name is resolved here.

A URL that two programs might read differently is refused, and an address can be written in only one way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote

from chalicelib.limits import URL_CHARACTERS_MAX
from chalicelib.webhooks.outbound.hosts import ascii_host
from chalicelib.webhooks.outbound.unsafe import Unsafe, described

DEFAULT_PORTS = {"http": 80, "https": 443}
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection and cannot be chosen. In lower case."""
CHARACTERS_NAMED_MAX = 5
"""At most this many characters that are not allowed are named in a message."""
HEADER_CHARACTERS_SHOWN_MAX = 64
"""At most this much of a header's name is shown in a message."""
_URL = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:(//)?)")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_HEADER_NAME_CHARACTER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_HEADER_VALUE = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?")


@dataclass(frozen=True)
class Target:
    """The parts of a URL that is allowed. `host` is in ASCII and lower case; an IPv6 address has no brackets."""

    scheme: str
    host: str
    port: int
    path: str
    typed_host: str

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, so that no name server is asked."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def name(self) -> str:
        """The host without a final dot, as in certificates and in the Host header."""
        return self.host.removesuffix(".")

    @property
    def destination(self) -> tuple[str, str, int]:
        """Which server gets the requests: all of the URL but its path."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """The value of the Host header: an IPv6 address in brackets, and the port unless it is the scheme's default."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def shown_host(self) -> str:
        """The host for messages: an international name as it was typed, with its ASCII form."""
        return self.host if self.typed_host.isascii() else f"{self.typed_host} ({self.host})"


def parse(url: str) -> Target:
    """The parts of a URL. Raises Unsafe if two programs might read it differently."""
    _check_characters(url)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise _bad_scheme(url)
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise Unsafe("the URL contains a user name or password: remove it, and add a header instead")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise Unsafe("the URL has no valid host and port: write it as https://host/path or https://host:port/path")
    port = DEFAULT_PORTS[scheme] if found[2] is None else int(found[2])
    if not 0 < port < 65536:
        raise Unsafe(f"port {port} does not exist")
    host = ascii_host(found[1])
    _check_path(path)
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}", found[1])


def _check_characters(url: str) -> None:
    """Refuses what belongs nowhere in a URL. Raises Unsafe."""
    if len(url) > URL_CHARACTERS_MAX:
        raise Unsafe(f"the URL is longer than {URL_CHARACTERS_MAX} characters")
    for character in url:
        if character < " " or character == "\x7f":
            raise Unsafe(f"the URL contains {described(character)}: remove it")
    if " " in url:
        raise Unsafe("the URL contains a space: remove it, or write it as %20 in the path")
    if "\\" in url:
        raise Unsafe("the URL contains a backslash: write / instead, or %5C in the path")
    if "#" in url:
        raise Unsafe("the URL has a fragment, which is never sent: remove the # and everything after it")


def _bad_scheme(url: str) -> Unsafe:
    message = "the URL must start with https:// or http://"
    if found := _SCHEME.match(url):
        return Unsafe(f"{message}, not with {found[1]}")
    return Unsafe(message if url[:1].isascii() else f"{message}, not with {described(url[0])}")


def _check_path(path: str) -> None:
    wrong = [character for character in dict.fromkeys(path) if not character.isascii()][:CHARACTERS_NAMED_MAX]
    if wrong:
        instead = ", ".join(f"{quote(character, errors='replace')} for {described(character)}" for character in wrong)
        raise Unsafe(f"only ASCII characters may follow the host: write {instead}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Checks that these may be sent. Raises Unsafe, naming the header."""
    for name, value in headers.items():
        _check_header_name(name)
        if name.lower() in RESERVED_HEADERS:
            raise Unsafe(f"the header {name} belongs to the connection and cannot be chosen; remove it")
        if not _HEADER_VALUE.fullmatch(value):
            raise Unsafe(
                f"the value of the header {name} must be visible ASCII characters; spaces and tabs only between them"
            )


def _check_header_name(name: str) -> None:
    if not name:
        raise Unsafe("a header has no name: write it as Name: value")
    for character in name:
        if not _HEADER_NAME_CHARACTER.fullmatch(character):
            shown = name[:HEADER_CHARACTERS_SHOWN_MAX]
            raise Unsafe(
                f"the header “{shown}” has {described(character)} in its name: use only letters, digits and hyphens"
            )
