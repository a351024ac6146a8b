"""Where a request may be sent by the looks of its URL, and with which headers. Pure: nothing is resolved here.

A URL that two programs might read differently is refused, and an address has one way to be written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import URL_CHARACTERS_MAX

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
"""Headers that belong to the connection, in lower case: senders cannot choose them."""
HOST_CHARACTERS_MAX = 253
"""As DNS has it."""
_URL = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?")


class Unsafe(Invalid):
    """Nothing was sent, because it would not be safe to. The message tells nothing about the network inside."""

    code = "unsafe_url"

    def __init__(self, message: str) -> None:
        super().__init__(message, errors=(FieldError("/url", message),))


@dataclass(frozen=True)
class Target:
    """The parts of a URL that passed. `host` is as written, in lower case; an IPv6 address has no brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host without the dot that may end it: what certificates and the Host header have."""
        return self.host.removesuffix(".")

    @property
    def host_header(self) -> str:
        """The host as HTTP wants it: an IPv6 address in brackets, the port where it is not the scheme's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


def parse(url: str) -> Target:
    """The parts of a URL. Raises Unsafe for all that two programs might read differently."""
    if len(url) > URL_CHARACTERS_MAX:
        raise Unsafe(f"the URL is longer than {URL_CHARACTERS_MAX} characters")
    if not url.isascii() or not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise Unsafe(
            "the URL has a space, a backslash or a character outside ASCII: write those in the path in percent "
            "encoding, and an international name in its form with xn--"
        )
    if "#" in url:
        raise Unsafe("the URL has a fragment, which is never sent: remove it from the # on")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Unsafe("the URL does not begin with https:// or http://")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise Unsafe("the URL has a user or password in it: remove them, and send a header instead")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise Unsafe("the URL has no valid host and port: write https://, a name, and if needed a colon and a port")
    port = DEFAULT_PORTS[scheme] if found[2] is None else int(found[2])
    if not 0 < port < 65536:
        raise Unsafe(f"there is no port {port}")
    return Target(scheme, _host(found[1].lower()), port, path if path.startswith("/") else f"/{path}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Whether these may be sent along. Raises Unsafe, naming the header."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise Unsafe(f"{name[:40]!r} is not a valid name of a header")
        if name.lower() in RESERVED_HEADERS:
            raise Unsafe(f"the header {name} belongs to the connection: it cannot be chosen")
        if not _HEADER_VALUE.fullmatch(value):
            raise Unsafe(
                f"the header {name} has a value with line breaks, characters outside ASCII, or a space at an end"
            )


def _host(host: str) -> str:
    """A name, or an address in its one usual form. Raises Unsafe."""
    if host.startswith("["):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError:
            raise Unsafe(f"{host} is not an IPv6 address") from None
    labels = host.removesuffix(".").split(".")
    # Resolvers read 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 as IPv4 addresses, each in its own way.
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise Unsafe(f"{host} is not an IPv4 address: write four decimal numbers with dots between them") from None
    if len(host) > HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unsafe(f"{host[:HOST_CHARACTERS_MAX]} is not a valid name of a host")
    return host
