"""How responses are read and errors reported: limits of size and time hold, whatever the receiver does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from chalicelib.limits import INFORMATIONAL_RESPONSES_MAX, RESPONSE_BYTES_MAX
from chalicelib.webhooks.outbound.post import Outbound, Unreachable, Unsafe, connect_to, look_up
from tests.unit.receiver import Receiver, receiver

pytestmark = pytest.mark.timeout(30)

PUBLIC = "93.184.216.34"
LOOPBACK = ip_network("127.0.0.0/8")
SOON_SECONDS = 0.3
LATE_SECONDS = 5.0
"""Anything that takes longer did not keep to SOON_SECONDS, even on the slowest machine."""


def sent(reply: Any, **limits: Any) -> Any:
    """The response to one POST, from a receiver on loopback, which is allowed."""
    with receiver(reply) as answering:
        return Outbound([LOOPBACK], **limits).post(f"http://127.0.0.1:{answering.port}/", {}, b"{}")


def head(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in ("HTTP/1.1 200 OK", *lines, "")).encode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


FULL = b"a" * RESPONSE_BYTES_MAX


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (head("Content-Length: 0"), b""),
        (head() + b"until the end", b"until the end"),
        (head("Transfer-Encoding: chunked") + chunked(b"ab", b"c"), b"abc"),
        (head(f"Content-Length: {len(FULL)}") + FULL, FULL),
        (head(f"Content-Length: {len(FULL) + 1}") + FULL + b"b", FULL),
        (head("Content-Length: 99999999999") + FULL + b"b", FULL),
        (head() + FULL + b"b", FULL),
        (head("Transfer-Encoding: chunked") + chunked(FULL), FULL),
        (head("Transfer-Encoding: chunked") + chunked(*[b"a"] * len(FULL)), FULL),
        (head("Transfer-Encoding: chunked") + chunked(FULL, b"b"), FULL),
        (head("Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x00"),
    ],
)
def test_a_response_is_read_up_to_the_limit_and_not_decompressed(reply: bytes, body: bytes) -> None:
    response = sent(reply)
    assert (response.status, response.body) == (200, body)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: </script.js>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
FINAL = head("Content-Length: 2", "X-Final: yes") + b"ok"


@pytest.mark.parametrize(
    "informational",
    [
        CONTINUE,
        PROCESSING,
        HINTS,
        b"HTTP/1.1 199\r\n\r\n",
        CONTINUE + PROCESSING * 3 + HINTS,
        # Neither of these ends the connection, or announces a body: an informational response has none.
        b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.0 102 Processing\nTransfer-Encoding: chunked\n\n",
        PROCESSING * INFORMATIONAL_RESPONSES_MAX,
    ],
    ids=["100", "102", "103", "199", "several", "103 with headers of a final one", "102 of HTTP/1.0", "the most"],
)
@pytest.mark.parametrize("packet_bytes", [1_000_000, 1], ids=["in one packet", "byte by byte"])
def test_informational_responses_are_skipped(informational: bytes, packet_bytes: int) -> None:
    def reply(connection: socket.socket, _: Receiver) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = informational + FINAL
        for start in range(0, len(whole), packet_bytes):
            connection.sendall(whole[start : start + packet_bytes])

    response = sent(reply)
    assert (response.status, response.body) == (200, b"ok")
    assert response.headers == {"content-length": "2", "x-final": "yes"}


@pytest.mark.parametrize("status", [204, 301, 410, 500])
def test_the_status_after_an_informational_response_decides(status: int) -> None:
    assert sent(HINTS + b"HTTP/1.1 %d So\r\nContent-Length: 0\r\n\r\n" % status).status == status


def test_a_change_of_protocol_is_final_because_none_was_asked_for() -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02ok"
    response = sent(HINTS + switched + FINAL)
    assert (response.status, response.body) == (101, b"")


def test_too_many_informational_responses_are_an_error() -> None:
    with pytest.raises(Unreachable, match=r"^more than 50 informational responses \(1xx\) before a final one$"):
        sent(PROCESSING * (INFORMATIONAL_RESPONSES_MAX + 1) + FINAL)


def test_the_rest_of_an_endless_response_is_not_waited_for() -> None:
    started = time.monotonic()
    response = sent(lambda connection, it: it.drip(connection, head() + FULL, b"more"))
    assert response.body == FULL
    assert time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "the connection was closed before the response was complete"),
        (head("Content-Length: 3") + b"ab", "the connection was closed before the response was complete"),
        (head("Transfer-Encoding: chunked") + b"5\r\nab", "the connection was closed before the response was complete"),
        (b"HTTP/1.1 200", "the connection was closed before the response was complete"),
        (b"HTTP/1.1 200 OK\r\n", "the connection was closed before the response was complete"),
        (head("Content-Length: 10")[:-5], "the connection was closed before the response was complete"),
        (head("Content-Length: 0")[:-2], "the connection was closed before the response was complete"),
        (HINTS, "the connection was closed before the response was complete"),
        (HINTS[:-4], "the connection was closed before the response was complete"),
        (HINTS + b"SSH-2.0-OpenSSH_9.6\r\n", "the response is not valid HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the response is not valid HTTP"),
        (b"HTTP/1.1 banana\r\n\r\n", "the response is not valid HTTP"),
        (
            head("Transfer-Encoding: chunked") + b"banana\r\n",
            "the connection was closed before the response was complete",
        ),
        (head(*[f"X-{number}: a" for number in range(200)]), "the response is not valid HTTP"),
        (head("X-A: " + "a" * 70_000), "the response is not valid HTTP"),
    ],
)
def test_an_incomplete_or_malformed_response_is_an_error(reply: bytes, words: str) -> None:
    with pytest.raises(Unreachable, match=f"^{words}$"):
        sent(reply)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 60_000 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\nX-A: " + b"a" * 9_000 + b"\r\n\r\n"),
        (HINTS, b"HTTP/1.1 103 Early Hints\r\nX-A: " + b"a" * 9_000 + b"\r\n\r\n"),
        (head("Transfer-Encoding: chunked"), b"1;" + b"a" * 60_000 + b"\r\nx\r\n"),
        (head("Transfer-Encoding: chunked") + b"0\r\n", b"X-A: " + b"a" * 60_000 + b"\r\n"),
    ],
    ids=["headers", "100 Continue", "103 Early Hints", "chunk extensions", "trailers"],
)
def test_headers_and_similar_overhead_have_a_limit(start: bytes, endless: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^the response is not valid HTTP$"):
        sent(lambda connection, it: it.drip(connection, start, endless))
    assert time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"", CONTINUE),
        (b"", PROCESSING),
        (b"HTTP/1.1 103 Early Hints\r\nX-A: ", b"a"),
        (HINTS, b""),
        (head("Content-Length: 60000"), b"a"),
        (head(), b"a"),
        (head("Transfer-Encoding: chunked"), b"1\r\na\r\n"),
    ],
    ids=[
        "silence",
        "headers",
        "100 Continue",
        "102 Processing",
        "headers of 103 Early Hints",
        "silence after 103 Early Hints",
        "body",
        "body without length",
        "chunks",
    ],
)
def test_the_deadline_holds_however_slowly_a_response_arrives(start: bytes, endless: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^no complete response within 0\.3 s$"):
        sent(lambda connection, it: it.drip(connection, start, endless), total_seconds=SOON_SECONDS)
    assert SOON_SECONDS <= time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize("sip_bytes", [0, 131_072], ids=["not at all", "slowly"])
def test_the_deadline_holds_for_a_receiver_that_reads_slowly(sip_bytes: int) -> None:
    def sip(connection: socket.socket, it: Receiver) -> None:
        while not it.ended.wait(0.02):
            connection.recv(sip_bytes)

    def connect(address: Any, port: int, seconds: float) -> socket.socket:
        connection = connect_to(address, port, seconds)
        connection.settimeout(None)  # Otherwise the time-out of connecting could hide that sending has none.
        return connection

    started = time.monotonic()
    body = b"a" * 50_000_000  # More than the system buffers for a receiver that does not read.
    outbound = Outbound([LOOPBACK], total_seconds=SOON_SECONDS, connect=connect)
    with receiver(sip, listens=False) as slow, pytest.raises(Unreachable, match="no complete response"):
        outbound.post(f"http://127.0.0.1:{slow.port}/", {}, body)
    assert time.monotonic() - started < LATE_SECONDS


# --- no connection --------------------------------------------------------------------------------------------------


def unconnected(error: OSError | None, addresses: Sequence[str] = (PUBLIC,)) -> tuple[str, list[float]]:
    """The error when connecting fails like this, and how many seconds each address was given."""
    given: list[float] = []

    def connect(_address: Any, _port: int, seconds: float) -> socket.socket:
        given.append(seconds)
        raise error or AssertionError

    network = Outbound(connect=connect, resolve=lambda _host, _seconds: [ip_address(each) for each in addresses])
    with pytest.raises(Unreachable) as raised:
        network.post("http://public.example/", {}, b"")
    return str(raised.value), given


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError("timed out"), "no connection within 5 s"),
        (OSError(113, "No route to host"), "no connection: no route to host"),
    ],
)
def test_the_reason_for_a_failed_connection_is_reported(error: OSError, words: str) -> None:
    assert unconnected(error)[0] == words


def test_addresses_share_the_time_to_connect_and_only_three_are_tried() -> None:
    _, given = unconnected(TimeoutError(), [f"93.184.216.{last}" for last in range(200)])
    assert len(given) == 3
    assert 1.0 < given[0] <= 5 / 3


def test_a_closed_port_is_reported_as_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match=r"^connection refused$"):
        Outbound([LOOPBACK]).post(f"http://127.0.0.1:{port}/", {}, b"")


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    """Set when the test is over, so that threads it left waiting end."""
    event = threading.Event()
    yield event
    event.set()


def test_a_silent_name_server_is_given_up_on_in_time(monkeypatch: pytest.MonkeyPatch, ended: threading.Event) -> None:
    def silent(*_: Any, **__: Any) -> list[Any]:
        ended.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    started = time.monotonic()
    with pytest.raises(Unsafe, match=r"^the host public\.example could not be resolved, or"):
        Outbound(connect_seconds=SOON_SECONDS).post("http://public.example/", {}, b"")
    with pytest.raises(Unsafe, match=r"^the host public\.example could not be resolved, or"):
        Outbound(connect_seconds=SOON_SECONDS).check("http://public.example/")
    assert time.monotonic() - started < LATE_SECONDS


def test_the_systems_resolver_gives_each_address_once() -> None:
    assert look_up("127.0.0.1", LATE_SECONDS) == [ip_address("127.0.0.1")]
    with pytest.raises(OSError, match="label"):
        look_up("a" * 64 + ".example", LATE_SECONDS)
