"""Addresses that are never reached, whatever the URL and the name server say, and requests as receivers get them.

Every attack is made twice: when a URL is registered, and when something is sent to it. A receiver on loopback counts
connections, and so does `socket.connect` itself, below everything that is tested.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest
import requests

from chalicelib.limits import URL_CHARACTERS_MAX
from chalicelib.webhooks.outbound.post import Outbound, Unsafe
from tests.unit.idn_attacks import IDN_ATTACKS, SPELT_ATTACKS
from tests.unit.receiver import Receiver, header_of, receiver

pytestmark = pytest.mark.timeout(30)

PUBLIC = "93.184.216.34"
PUBLIC_IPV6 = "2606:4700::1111"
LOOPBACK = ip_network("127.0.0.0/8")

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
    "wire-server.example": ["168.63.129.16"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "zone.example": ["fe80::1%1"],
    "empty.example": [],
    "xn--mller-kva.example": [PUBLIC],
    "xn--bse-sna.example": ["127.0.0.1"],  # böse.example
    "xn--mtadaten-k1a.example": ["169.254.169.254"],  # mêtadaten.example
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
    "http://168.63.129.16/machine/?comp=goalstate",
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
ATTACKS = [
    *ADDRESS_ATTACKS,
    *NAME_ATTACKS,
    *SHAPE_ATTACKS,
    *SCHEME_ATTACKS,
    *PORT_ATTACKS,
    *IDN_ATTACKS,
    *SPELT_ATTACKS,
]


class Network:
    """Records name look-ups and connections. Connections to the public address go to the receiver on loopback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waiting: Receiver) -> None:
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.names = dict(NAMES)
        self.port = waiting.port
        really_connect = socket.socket.connect

        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
            self.asked.append(host)
            with suppress(OSError):  # As the system does, which accepts any notation.
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
    """An Outbound that allows the receiver's port, so that only the address can stop an attack."""
    return Outbound(allowed_ports=frozenset({80, 443, waiting.port}), **limits)


# --- refused requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_at_registration_and_at_the_attempt(
    attack: str, network: Network, waiting: Receiver
) -> None:
    url = attack.replace("{port}", str(waiting.port))
    with pytest.raises(Unsafe) as registering:
        outbound(waiting).check(url)
    with pytest.raises(Unsafe) as sending:
        outbound(waiting).post(url, {}, b"{}")

    assert (waiting.accepted, network.connected) == (0, [])
    assert registering.value.status == 422
    assert registering.value.errors[0].pointer == "/url"
    assert str(sending.value) == str(registering.value)
    for inside in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "fd00:ec2"):
        assert inside in url or inside not in str(registering.value), "an internal address is not revealed"


@pytest.mark.parametrize("attack", SPELT_ATTACKS)
def test_other_characters_for_an_address_are_refused_before_a_name_is_looked_up(
    attack: str, network: Network, waiting: Receiver
) -> None:
    with pytest.raises(Unsafe):
        outbound(waiting).check(attack.replace("{port}", str(waiting.port)))
    assert network.asked == []


def test_there_are_enough_different_attacks() -> None:
    assert len(set(ATTACKS)) == len(ATTACKS) >= 500


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0"])
def test_a_plain_client_would_reach_loopback_with_these_notations(host: str, waiting: Receiver) -> None:
    requests.post(f"http://{host}:{waiting.port}/", data=b"{}", timeout=5)
    assert waiting.accepted == 1


def refusal(calling: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(Unsafe) as refused:
        calling(*arguments)
    return str(refused.value)


@pytest.mark.parametrize(
    "host", ["nowhere.example", "slow.example", "empty.example", "private.example", "mixed6.example"]
)
@pytest.mark.parametrize("allowed", [[], [LOOPBACK]], ids=["deployed", "local"])
@pytest.mark.parametrize("port", [443, 8080])
def test_a_refusal_does_not_say_whether_a_name_exists_inside_the_network(
    host: str, allowed: list[Any], port: int, network: Network
) -> None:
    """Otherwise anyone who may register a webhook could try out the names of a private zone."""
    network.names["slow.example"] = Silent()
    url, sender = f"https://{host}:{port}/hook", Outbound(allowed)
    said = "could not be resolved, or has an address that is not public: check the spelling, and use a server that can"
    expected = f"the host {host} {said} be reached from the internet"
    if port == 8080:
        expected = "port 8080 is not allowed: use port 80 or 443"

    assert refusal(sender.check, url) == expected
    assert refusal(sender.post, url, {}, b"") == expected


class Silent(list[str]):
    """The addresses of a name that no name server answers for."""

    def __iter__(self) -> Iterator[str]:
        raise TimeoutError


def test_an_address_is_named_as_one() -> None:
    remedy = "use a server that can be reached from the internet"
    assert refusal(Outbound().check, "https://10.0.0.1/") == f"the address 10.0.0.1 is not public: {remedy}"


def test_a_refused_port_is_reported_with_the_allowed_ports(network: Network) -> None:
    with pytest.raises(Unsafe, match="port 8080 is not allowed: use port 80 or 443"):
        Outbound().check("https://public.example:8080/")


def test_a_name_that_resolves_differently_a_moment_later_does_not_matter(network: Network, waiting: Receiver) -> None:
    class Rebinding(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([PUBLIC] if len(network.asked) == 1 else ["127.0.0.1"])

    network.names["rebinding.example"] = Rebinding()
    response = outbound(waiting).post("http://rebinding.example/", {}, b"{}")
    assert (response.status, network.asked, network.connected) == (200, ["rebinding.example"], [PUBLIC])

    with pytest.raises(Unsafe):  # The second look-up gives another address, which is refused.
        outbound(waiting).post("http://rebinding.example/", {}, b"{}")
    assert (waiting.accepted, network.connected) == (1, [PUBLIC])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    location = "http://169.254.169.254/latest/meta-data/"
    reply = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with receiver(reply.encode()) as redirecting:
        network = Network(monkeypatch, redirecting)
        response = Outbound().post("http://public.example/", {}, b"{}")
        assert (response.status, response.headers["location"]) == (status, location)
        assert (redirecting.accepted, network.connected) == (1, [PUBLIC])


def test_neither_proxies_nor_passwords_are_taken_from_the_environment(
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


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_public_address_gets_the_request_and_its_response_is_returned(network: Network, waiting: Receiver) -> None:
    url = "HTTP://Public.Example/hook?a=%20b"
    outbound(waiting).check(url.lower())
    assert (waiting.accepted, network.connected) == (0, []), "registering sends nothing"

    response = outbound(waiting).post(url, {"webhook-id": "msg_1", "X-Empty": ""}, b'{"a":1}')
    assert (response.status, response.body) == (200, b"ok")
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
        ("http://MÜLLER.example/a", "POST /a HTTP/1.1", "xn--mller-kva.example"),
        ("http://mu\u0308ller.example/", "POST / HTTP/1.1", "xn--mller-kva.example"),
        ("http://xn--mller-kva.example:443/", "POST / HTTP/1.1", "xn--mller-kva.example:443"),
    ],
)
def test_the_request_line_and_the_host_header_follow_the_url(
    url: str, line: str, host: str, network: Network, waiting: Receiver
) -> None:
    outbound(waiting).post(url, {}, b"")
    assert waiting.requests[0].startswith(line.encode() + b"\r\n")
    assert header_of(waiting.requests[0], "Host") == [host]
    assert all(asked.isascii() for asked in network.asked)


def test_messages_show_an_international_name_as_typed_and_in_ascii(network: Network) -> None:
    for url, shown in (
        ("http://Böse.example/", r"Böse\.example \(xn--bse-sna\.example\)"),
        ("http://größe.example/", r"größe\.example \(xn--gre-6ka8i\.example\)"),
    ):
        with pytest.raises(Unsafe, match=f"^the host {shown} could not be resolved, or has an address"):
            Outbound().check(url)


def test_the_next_address_is_tried_when_one_refuses_the_connection(network: Network, waiting: Receiver) -> None:
    assert outbound(waiting).post("http://both.example/", {}, b"").status == 200
    assert network.connected == [PUBLIC_IPV6, PUBLIC]


def test_only_an_allowed_network_is_reached_at_any_port(network: Network, waiting: Receiver) -> None:
    local = Outbound([LOOPBACK])
    for host in ("127.0.0.1", "localhost", "loopback.example"):
        local.check(f"http://{host}:{waiting.port}/")
        assert local.post(f"http://{host}:{waiting.port}/", {}, b"{}").status == 200
    for url in ("http://private.example/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://public.example:81/"):
        with pytest.raises(Unsafe):
            local.post(url, {}, b"{}")
    assert waiting.accepted == 3


def test_other_ports_need_every_address_to_be_in_an_allowed_network(network: Network, waiting: Receiver) -> None:
    with pytest.raises(Unsafe, match="port"):
        Outbound([LOOPBACK]).post(f"http://mixed.example:{waiting.port}/", {}, b"{}")
    assert waiting.accepted == 0
