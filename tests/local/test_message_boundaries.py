"""Where a request ends is never ambiguous: otherwise a second request could be hidden in the body of a first one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.processes.ports import LOOPBACK, free_port, listen
from infra.local.site.server import Site, WebServer
from infra.local.site.static_files import StaticFiles

RESPONSE_SECONDS_MAX = 20.0
HIDDEN = "let hidden"

CHUNKED = "Transfer-Encoding: chunked"
AMBIGUOUS = [
    "Content-Length: 0\r\nContent-Length: 0",
    "Content-Length: 0, 0",
    "Content-Length: ",
    "Content-Length: 0.0",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 6",
    "Content-Length: +5",
    "Content-Length: -1",
    "Content-Length: 0x5",
    "Content-Length: 5_0",
    "Content-Length: \xb2",
    "Content-Length: 1e1",
    "Content-Length: 5\0",
    "Content-Length : 5",
    "Content-Length: 0\r\n 5",
    "Content-Length: 5\r\n" + CHUNKED,
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked, chunked",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding:\r\n chunked",
    f"X: a\r\n {CHUNKED}",
    f"X: a\n{CHUNKED}",
    f"X: a\r{CHUNKED}",
    f"X: a\0\r\n{CHUNKED}",
    f"X\0: a\r\n{CHUNKED}",
    f"X Y: a\r\n{CHUNKED}",
    f": a\r\n{CHUNKED}",
    f"nothing\r\n{CHUNKED}",
    f"{CHUNKED}\r\nTransfer-Encoding: identity",
    f"{CHUNKED}\r\n{CHUNKED}",
    f"{CHUNKED}\r\n\r\n0x0\r\n\r\n",
    f"{CHUNKED}\r\n\r\n-1\r\n\r\n",
    f"{CHUNKED}\r\n\r\n+0\r\n\r\n",
    f"{CHUNKED}\r\n\r\n\r\n0\r\n\r\n",
    f"{CHUNKED}\r\n\r\n5\nabcde\n0\n\n",
    f"{CHUNKED}\r\n\r\n1;\0\r\nx\r\n0\r\n\r\n",
    f"{CHUNKED}\r\n\r\n1\r\nxyz0\r\n\r\n",
    f"{CHUNKED}\r\n\r\n{'f' * 20}\r\n",
]
"""Requests that two servers could end at different places."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "index.html").write_text("<h1>page</h1>")
    (tmp_path / "hidden.js").write_text(HIDDEN)
    found = free_port()
    web = WebServer(Site(found, StaticFiles(tmp_path), None, "http://127.0.0.1:4566/files/"), listen(found))
    web.start()
    yield found
    web.stop()


def answered(port: int, head: str, body: str = "") -> bytes:
    """All that the server sends for a request that another one follows, until it closes the connection."""
    host = f"Host: {LOOPBACK}:{port}"
    following = f"GET /hidden.js HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=RESPONSE_SECONDS_MAX) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\n{host}\r\n{head}\r\n\r\n{body}{following}".encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("lines", AMBIGUOUS)
def test_no_second_request_hides_in_a_request(port: int, lines: str) -> None:
    response = answered(port, lines, "0\r\n\r\n")
    assert HIDDEN.encode() not in response
    assert b" 200 " not in response


def test_a_request_after_a_complete_one_is_answered(port: int) -> None:
    for head, body in (("Content-Length: 1", "x"), (CHUNKED, "1\r\nx\r\n0\r\n\r\n")):
        response = answered(port, head, body)
        assert (response.count(b"HTTP/1.1 200 OK"), response.count(HIDDEN.encode())) == (1, 1)
