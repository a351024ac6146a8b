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

LENGTHS = [
    *("Content-Length: 0\r\nContent-Length: 60", "Content-Length: 0\r\nContent-Length: 0", "Content-Length: 0, 0"),
    *(f"Content-Length: {value}" for value in ("+0", "-0", "-5", "0x0", "1_0", "0.0", "", "\u0660")),
    "Content-Length : 0",
]
ENCODINGS = [
    *(f"Transfer-Encoding: {value}" for value in ("xchunked", "identity", "gzip, chunked", '"chunked"', "\x0bchunked")),
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    *("Transfer-Encoding : chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding:\r\n chunked"),
]
LINES = ["X: a\x00b", "X: a\nTransfer-Encoding: chunked", "X: a\rTransfer-Encoding: chunked", "X", ": x", "X\x01: x"]
CHUNKS = [
    *(f"{size}\r\nx\r\n0\r\n\r\n" for size in ("0x1", "-1", "+1", "1 ", "1_0", "", "1;a\nb")),
    *("1\r\nxx0\r\n\r\n", "1\nx\n0\n\n"),
]


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
        connection.sendall(f"GET / HTTP/1.1\r\n{host}\r\n{head}\r\n\r\n{body}{following}".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("head", [*LENGTHS, *ENCODINGS, *LINES])
def test_a_header_that_two_servers_may_read_differently_ends_the_connection(port: int, head: str) -> None:
    response = answered(port, head)
    assert response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b"HTTP/1.1 501 ", b"HTTP/1.0 501 "))
    assert HIDDEN.encode() not in response


@pytest.mark.parametrize("body", CHUNKS)
def test_a_malformed_chunk_ends_the_connection(port: int, body: str) -> None:
    response = answered(port, "Transfer-Encoding: chunked", body)
    assert response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert HIDDEN.encode() not in response


def test_a_request_after_a_complete_one_is_answered(port: int) -> None:
    for head, body in (("Content-Length: 1", "x"), ("Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n")):
        response = answered(port, head, body)
        assert (response.count(b"HTTP/1.1 200 OK"), response.count(HIDDEN.encode())) == (2, 1)
