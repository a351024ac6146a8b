"""Connections of the web server: clients that are idle, too slow, or ambiguous cannot block others."""

from __future__ import annotations

import re
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

CONNECTIONS_MAX = 500
"""Further ones wait until one of these is closed. Each takes a file descriptor, of which a process often has 1,024."""
IDLE_SECONDS_MAX = 30
"""How long a connection may be silent between two requests, or within one."""
REQUEST_SECONDS_MAX = 20.0
"""How long a request may take to arrive, from its first byte to its last."""
CLOSING_SECONDS = 5
"""How often idle connections are searched."""
AMBIGUOUS = "Transfer-Encoding together with Content-Length, or in HTTP/1.0"
UNUSUAL = "A header on several lines, or a Transfer-Encoding other than chunked"
FOLDED = re.compile(rb"\n[ \t]")
TRANSFER_ENCODING = re.compile(rb"(?i)\ntransfer-encoding:([^\r\n]*)")


class Request(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """A request that may still be arriving."""

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.begun_at = time.monotonic()

    def parse_header(self, header_plus: bytes) -> None:
        """Refuses what RFC 9112, sections 5.2 and 6.1, call ambiguous. Waitress closes a connection after a refusal."""
        super().parse_header(header_plus)
        has_encoding = self.chunked or "TRANSFER_ENCODING" in self.headers
        if has_encoding and ("CONTENT_LENGTH" in self.headers or self.version == "1.0"):
            raise ParsingError(AMBIGUOUS)
        codings = [each.strip().lower() for each in TRANSFER_ENCODING.findall(header_plus)]
        if FOLDED.search(header_plus) or (self.chunked and codings != [b"chunked"]):
            raise ParsingError(UNUSUAL)


class Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that is closed when a request takes too long to arrive.

    Waitress itself closes only silent connections: one byte at a time would hold a connection open.
    """

    parser_class = Request

    def readable(self) -> bool:
        """Called in each round of the server's loop, at least once a second."""
        arriving = None if self.requests else self.request
        if arriving is not None and time.monotonic() - arriving.begun_at > REQUEST_SECONDS_MAX:
            self.will_close = True
        return bool(super().readable())
