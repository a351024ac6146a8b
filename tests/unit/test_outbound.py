"""What is never reached, whatever the URL, the name server and the other end do; and what an attempt tells of the rest.

Every attack is made twice: when a URL is registered and when something is sent to it. A receiver waits on loopback and
counts, and so does `socket.connect` itself, below everything that is tested.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import requests

from chalicelib.limits import ANSWER_BYTES_MAX, URL_CHARACTERS_MAX
from chalicelib.webhooks.outbound.post import Outbound, Unreachable, Unsafe, look_up
from tests.unit.receiver import Receiver, header_of, receiver

pytestmark = pytest.mark.timeout(30)

PUBLIC = "93.184.216.34"
PUBLIC_IPV6 = "2606:4700::1111"
LOOPBACK = ip_network("127.0.0.0/8")
SOON_SECONDS = 0.3
LATE_SECONDS = 5.0
"""What takes longer did not keep to SOON_SECONDS, on the slowest machine."""

NAMES: dict[str, list[str]] = {
    "public.example": [PUBLIC],
    "public.example.": [PUBLIC],
    "both.example": [PUBLIC_IPV6, PUBLIC],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "LOCALHOST": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "private.example": ["10.1.2.3"],
    "mixed.example": [PUBLIC, "127.0.0.1"],
    "mixed-first.example": ["127.0.0.1", PUBLIC],
    "mixed6.example": [PUBLIC, "fd00:ec2::254"],
    "metadata.example": ["169.254.169.254"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "zone.example": ["fe80::1%1"],
    "empty.example": [],
}
ADDRESS_ATTACKS = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.255.255.254:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{port}/",
    "http://localhost:{port}/",
    "http://localhost.:{port}/",
    "http://LOCALHOST:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%00.public.example:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://192.0.0.192/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
]
NAME_ATTACKS = [
    f"http://{name}:{{port}}/"
    for name, addresses in NAMES.items()
    if name.endswith(".example") and not set(addresses) <= {PUBLIC, PUBLIC_IPV6}
]
SHAPE_ATTACKS = [
    "http://public.example@127.0.0.1:{port}/",
    "http://user:password@public.example/",
    "http://public.example:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http://public.example\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://public.example/\r\nHost: 127.0.0.1\r\n\r\n",
    "http://public.example\r\n.127.0.0.1:{port}/",
    "http://public.example/a\\b",
    "http://public.example/a b",
    "http://public.example/\x00",
    "\thttp://127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http://public.example/#@127.0.0.1:{port}/",
    "http://public.example#@127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http://",
    "http://?",
    "http://:{port}/",
    "http://./",
    "http://a..example/",
    "http://-a.example/",
    "http://public.example:{port}:80/",
    "http://[::1/",
    "http://[::1]x:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://1.2.3/",
    "http://134744072/",
    "http://010.8.8.8/",
    "http://8.8.8.8.8/",
    "http://public.example:/",
    "http://public.example:0/",
    "http://public.example:65536/",
    "http://public.example:-1/",
    "http://public.example:８０/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 126 + "example/",
    "http://public.example/" + "a" * URL_CHARACTERS_MAX,
    "",
    " ",
]
SCHEME_ATTACKS = [
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_POST",
    "ftp://public.example/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "dict://127.0.0.1:{port}/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://public.example/",
]
PORT_ATTACKS = [f"http://public.example:{port}/" for port in (1, 22, 25, 81, 3306, 5432, 6379, 8080, 9200, 65535)]
ATTACKS = [*ADDRESS_ATTACKS, *NAME_ATTACKS, *SHAPE_ATTACKS, *SCHEME_ATTACKS, *PORT_ATTACKS]


class Network:
    """The name server and `socket.connect`, under watch. What is public is led to the receiver on loopback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waiting: Receiver) -> None:
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.names = dict(NAMES)
        self.port = waiting.port
        really_connect = socket.socket.connect

        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
            self.asked.append(host)
            with suppress(OSError):  # As the system does, which takes any notation.
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (socket.inet_ntoa(socket.inet_aton(host)), 0))]
            if host not in self.names:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in self.names[host]]

        def connect(connection: socket.socket, address: tuple[str, int]) -> None:
            self.connected.append(address[0])
            if address[0] == PUBLIC_IPV6:
                raise OSError(101, "Network is unreachable")
            really_connect(connection, ("127.0.0.1", self.port) if address[0] == PUBLIC else address)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def waiting() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, waiting: Receiver) -> Network:
    return Network(monkeypatch, waiting)


def outbound(waiting: Receiver, **limits: Any) -> Outbound:
    """One that lets the receiver's port pass, so that nothing but the address is in the way of an attack."""
    return Outbound(allowed_ports=frozenset({80, 443, waiting.port}), **limits)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_at_registration_and_at_the_attempt(
    attack: str, network: Network, waiting: Receiver
) -> None:
    url = attack.replace("{port}", str(waiting.port))
    with pytest.raises(Unsafe) as registering:
        outbound(waiting).check(url)
    with pytest.raises((Unsafe, Unreachable)) as sending:
        outbound(waiting).post(url, {}, b"{}")

    assert (waiting.accepted, network.connected) == (0, [])
    assert registering.value.status == 422
    assert registering.value.errors[0].pointer == "/url"
    assert str(sending.value) in str(registering.value)
    for inside in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "fd00:ec2"):
        assert inside in url or inside not in str(registering.value), "what a name means inside is told to nobody"


def test_the_battery_is_large_enough() -> None:
    assert len(set(ATTACKS)) == len(ATTACKS) >= 100


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0"])
def test_these_notations_do_reach_loopback_with_a_plain_client(host: str, waiting: Receiver) -> None:
    requests.post(f"http://{host}:{waiting.port}/", data=b"{}", timeout=5)
    assert waiting.accepted == 1


def test_a_name_that_does_not_exist_is_refused_with_words_that_say_so(network: Network, waiting: Receiver) -> None:
    with pytest.raises(Unsafe, match=r"the name nowhere\.example could not be resolved: check the spelling"):
        outbound(waiting).check("https://nowhere.example/hook")
    with pytest.raises(Unreachable, match=r"^the name nowhere\.example could not be resolved$"):
        outbound(waiting).post("https://nowhere.example/hook", {}, b"")


def test_a_port_is_refused_with_the_ports_that_are_not(network: Network) -> None:
    with pytest.raises(Unsafe, match="port 8080 is not allowed: use port 80 or 443"):
        Outbound().check("https://public.example:8080/")


def test_what_a_name_means_a_moment_later_does_not_matter(network: Network, waiting: Receiver) -> None:
    class Rebinding(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([PUBLIC] if len(network.asked) == 1 else ["127.0.0.1"])

    network.names["rebinding.example"] = Rebinding()
    answer = outbound(waiting).post("http://rebinding.example/", {}, b"{}")
    assert (answer.status, network.asked, network.connected) == (200, ["rebinding.example"], [PUBLIC])

    with pytest.raises(Unsafe):  # From the second answer on it is refused.
        outbound(waiting).post("http://rebinding.example/", {}, b"{}")
    assert (waiting.accepted, network.connected) == (1, [PUBLIC])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    location = "http://169.254.169.254/latest/meta-data/"
    reply = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with receiver(reply.encode()) as redirecting:
        network = Network(monkeypatch, redirecting)
        answer = Outbound().post("http://public.example/", {}, b"{}")
        assert (answer.status, answer.headers["location"]) == (status, location)
        assert (redirecting.accepted, network.connected) == (1, [PUBLIC])


def test_neither_proxies_nor_passwords_are_taken_from_the_surroundings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, network: Network, waiting: Receiver
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine public.example login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outbound(waiting).post("http://public.example/", {}, b"{}")
        assert (proxy.accepted, waiting.accepted) == (0, 1)
    assert header_of(waiting.requests[0], "Authorization") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1"},
        {"hOST": "127.0.0.1"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "keep-alive"},
        {"Accept-Encoding": "gzip"},
        {"X-A": "a\r\nHost: 127.0.0.1"},
        {"X-A": "a\n b"},
        {"X-A": "ä"},
        {"X-A": " a"},
        {"X-A": "a\x00"},
        {"X A": "a"},
        {"X-A:": "a"},
        {"X-A\r\nX-B": "a"},
        {"": "a"},
    ],
)
def test_headers_cannot_change_the_request(headers: dict[str, str], network: Network, waiting: Receiver) -> None:
    with pytest.raises(Unsafe):
        outbound(waiting).post("http://public.example/", headers, b"{}")
    assert waiting.accepted == 0


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_what_is_public_is_sent_and_answered(network: Network, waiting: Receiver) -> None:
    url = "HTTP://Public.Example/hook?a=%20b"
    outbound(waiting).check(url.lower())
    assert (waiting.accepted, network.connected) == (0, []), "registering sends nothing"

    answer = outbound(waiting).post(url, {"webhook-id": "msg_1", "X-Empty": ""}, b'{"a":1}')
    assert (answer.status, answer.body, answer.truncated) == (200, b"ok", False)
    [request] = waiting.requests
    assert request.startswith(b"POST /hook?a=%20b HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    for name, value in {
        "Host": "public.example",
        "webhook-id": "msg_1",
        "X-Empty": "",
        "Content-Length": "7",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }.items():
        assert header_of(request, name) == [value]


@pytest.mark.parametrize(
    ("url", "line", "host"),
    [
        ("http://public.example", "POST / HTTP/1.1", "public.example"),
        ("http://public.example?a", "POST /?a HTTP/1.1", "public.example"),
        ("http://public.example.:80/", "POST / HTTP/1.1", "public.example"),
        ("http://public.example:443/a", "POST /a HTTP/1.1", "public.example:443"),
        (f"http://{PUBLIC}//b", "POST //b HTTP/1.1", PUBLIC),
    ],
)
def test_the_request_says_where_it_wants_to_go(
    url: str, line: str, host: str, network: Network, waiting: Receiver
) -> None:
    outbound(waiting).post(url, {}, b"")
    assert waiting.requests[0].startswith(line.encode() + b"\r\n")
    assert header_of(waiting.requests[0], "Host") == [host]


def test_the_next_address_is_tried_when_one_takes_no_connection(network: Network, waiting: Receiver) -> None:
    assert outbound(waiting).post("http://both.example/", {}, b"").status == 200
    assert network.connected == [PUBLIC_IPV6, PUBLIC]


def test_an_allowed_network_is_reached_at_any_port_and_no_other_is(network: Network, waiting: Receiver) -> None:
    local = Outbound([LOOPBACK])
    for host in ("127.0.0.1", "localhost", "loopback.example"):
        local.check(f"http://{host}:{waiting.port}/")
        assert local.post(f"http://{host}:{waiting.port}/", {}, b"{}").status == 200
    for url in ("http://private.example/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://public.example:81/"):
        with pytest.raises(Unsafe):
            local.post(url, {}, b"{}")
    assert waiting.accepted == 3


def test_a_port_needs_every_address_in_the_allowed_network(network: Network, waiting: Receiver) -> None:
    with pytest.raises(Unsafe, match="port"):
        Outbound([LOOPBACK]).post(f"http://mixed.example:{waiting.port}/", {}, b"{}")
    assert waiting.accepted == 0


# --- what comes back ------------------------------------------------------------------------------------------------


def sent(reply: Any, **limits: Any) -> Any:
    """The answer to one POST, from a receiver on loopback that is allowed."""
    with receiver(reply) as answering:
        return Outbound([LOOPBACK], **limits).post(f"http://127.0.0.1:{answering.port}/", {}, b"{}")


def head(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in ("HTTP/1.1 200 OK", *lines, "")).encode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


FULL = b"a" * ANSWER_BYTES_MAX


@pytest.mark.parametrize(
    ("reply", "body", "truncated"),
    [
        (head("Content-Length: 0"), b"", False),
        (head() + b"until the end", b"until the end", False),
        (head("Transfer-Encoding: chunked") + chunked(b"ab", b"c"), b"abc", False),
        (head(f"Content-Length: {len(FULL)}") + FULL, FULL, False),
        (head(f"Content-Length: {len(FULL) + 1}") + FULL + b"b", FULL, True),
        (head("Content-Length: 99999999999") + FULL + b"b", FULL, True),
        (head() + FULL + b"b", FULL, True),
        (head("Transfer-Encoding: chunked") + chunked(FULL), FULL, False),
        (head("Transfer-Encoding: chunked") + chunked(*[b"a"] * len(FULL)), FULL, False),
        (head("Transfer-Encoding: chunked") + chunked(FULL, b"b"), FULL, True),
        (head("Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x00", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + head("Content-Length: 1") + b"x", b"x", False),
    ],
)
def test_an_answer_is_read_up_to_its_limit_and_not_unpacked(reply: bytes, body: bytes, truncated: bool) -> None:
    answer = sent(reply)
    assert (answer.status, answer.body, answer.truncated) == (200, body, truncated)


def test_the_rest_of_an_endless_answer_is_not_waited_for() -> None:
    started = time.monotonic()
    answer = sent(lambda connection, it: it.drip(connection, head() + FULL, b"more"))
    assert answer.truncated
    assert time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "the connection was closed before the answer was complete"),
        (head("Content-Length: 3") + b"ab", "the connection was closed before the answer was complete"),
        (head("Transfer-Encoding: chunked") + b"5\r\nab", "the connection was closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not valid HTTP"),
        (b"HTTP/1.1 banana\r\n\r\n", "the answer is not valid HTTP"),
        (
            head("Transfer-Encoding: chunked") + b"banana\r\n",
            "the connection was closed before the answer was complete",
        ),
        (head(*[f"X-{number}: a" for number in range(200)]), "the answer is not valid HTTP"),
        (head("X-A: " + "a" * 70_000), "the answer is not valid HTTP"),
    ],
)
def test_half_an_answer_is_none(reply: bytes, words: str) -> None:
    with pytest.raises(Unreachable, match=f"^{words}$"):
        sent(reply)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 60_000 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\nX-A: " + b"a" * 9_000 + b"\r\n\r\n"),
        (head("Transfer-Encoding: chunked"), b"1;" + b"a" * 60_000 + b"\r\nx\r\n"),
        (head("Transfer-Encoding: chunked") + b"0\r\n", b"X-A: " + b"a" * 60_000 + b"\r\n"),
    ],
    ids=["headers", "interim answers", "extensions of chunks", "trailers"],
)
def test_headers_and_what_resembles_them_have_a_limit(start: bytes, endless: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^the answer is not valid HTTP$"):
        sent(lambda connection, it: it.drip(connection, start, endless))
    assert time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (head("Content-Length: 60000"), b"a"),
        (head(), b"a"),
        (head("Transfer-Encoding: chunked"), b"1\r\na\r\n"),
    ],
    ids=["silence", "headers", "interim answers", "body", "body without length", "chunks"],
)
def test_the_deadline_holds_however_slowly_an_answer_drips(start: bytes, endless: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^no complete answer within 0\.3 s$"):
        sent(lambda connection, it: it.drip(connection, start, endless), total_seconds=SOON_SECONDS)
    assert SOON_SECONDS <= time.monotonic() - started < LATE_SECONDS


@pytest.mark.parametrize("sip_bytes", [0, 131_072], ids=["not at all", "slowly"])
def test_a_request_that_is_taken_slowly_keeps_to_the_deadline(sip_bytes: int) -> None:
    def sip(connection: socket.socket, it: Receiver) -> None:
        while not it.ended.wait(0.02):
            connection.recv(sip_bytes)

    started = time.monotonic()
    body = b"a" * 50_000_000  # More than the system takes in on behalf of a receiver that does not read.
    with receiver(sip, listens=False) as slow, pytest.raises(Unreachable, match="no complete answer"):
        Outbound([LOOPBACK], total_seconds=SOON_SECONDS).post(f"http://127.0.0.1:{slow.port}/", {}, body)
    assert time.monotonic() - started < LATE_SECONDS


# --- no connection --------------------------------------------------------------------------------------------------


def unconnected(error: OSError | None, addresses: Sequence[str] = (PUBLIC,)) -> tuple[str, list[float]]:
    """What an attempt says when connecting fails like this, and how many seconds each address was given."""
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
def test_what_kept_a_connection_from_being_made_is_told(error: OSError, words: str) -> None:
    assert unconnected(error)[0] == words


def test_addresses_share_the_time_to_connect_and_only_some_are_tried() -> None:
    _, given = unconnected(TimeoutError(), [f"93.184.216.{last}" for last in range(200)])
    assert len(given) == 3
    assert 1.0 < given[0] <= 5 / 3


def test_nobody_listens_on_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match=r"^connection refused$"):
        Outbound([LOOPBACK]).post(f"http://127.0.0.1:{port}/", {}, b"")


def test_a_name_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, waiting: Receiver) -> None:
    def silent(*_: Any, **__: Any) -> list[Any]:
        waiting.ended.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^the name public\.example was not resolved within 0\.3 s$"):
        Outbound(connect_seconds=SOON_SECONDS).post("http://public.example/", {}, b"")
    with pytest.raises(Unsafe, match=r"was not resolved within 0\.3 s"):
        Outbound(connect_seconds=SOON_SECONDS).check("http://public.example/")
    assert time.monotonic() - started < LATE_SECONDS


def test_the_system_is_asked_for_names_and_answers_each_address_once() -> None:
    assert look_up("127.0.0.1", LATE_SECONDS) == [ip_address("127.0.0.1")]
    with pytest.raises(OSError, match="label"):
        look_up("a" * 64 + ".example", LATE_SECONDS)
