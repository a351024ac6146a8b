"""Sending one HTTP request to an address that a stranger chose, only where it is safe to.

The name is resolved once, every address found must be public, and the connection goes to one of exactly these: what the
name means a moment later (DNS rebinding) is of no consequence. Python's own http.client speaks over a connection made
here, so there is nothing below that would resolve a name, follow a redirect, read a proxy from the environment or a
password from .netrc, decode what is compressed, or connect again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import cast

import certifi

from chalicelib.errors import ImporterError
from chalicelib.limits import (
    ADDRESSES_TRIED_MAX,
    ANSWER_BYTES_MAX,
    ANSWER_HEADERS_BYTES_MAX,
    CONNECT_SECONDS_MAX,
    EXCHANGE_SECONDS_MAX,
)
from chalicelib.webhooks.outbound.bounded_socket import Deadline, Wire
from chalicelib.webhooks.outbound.public_addresses import IPAddress, IPNetwork, is_in, is_public
from chalicelib.webhooks.outbound.urls import Target, Unsafe, check_headers, parse

__all__ = ["Answer", "Outbound", "Unreachable", "Unsafe"]


class Unreachable(ImporterError):
    """There is no complete answer. The message is for the person who runs the other end."""


@dataclass(frozen=True)
class Answer:
    """What the other end said. `body` is as it came, still compressed if it was; cut off where it is `truncated`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


Resolve = Callable[[str, float], Sequence[IPAddress]]
"""The addresses of a name, within some seconds. Raises OSError."""
Connect = Callable[[IPAddress, int, float], socket.socket]
"""A TCP connection to an address and port, within some seconds. Raises OSError."""


def look_up(host: str, seconds: float) -> list[IPAddress]:
    """The addresses of a name, each once, as the system finds them. Raises OSError; TimeoutError after `seconds`."""
    found: list[list[IPAddress] | OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.append(list(dict.fromkeys(ip_address(str(answer[4][0])) for answer in answers)))
        except OSError as error:
            found.append(error)
        except ValueError as error:  # UnicodeError: names that DNS cannot hold
            found.append(OSError(str(error)))

    # getaddrinfo knows no time-out; the thread ends when the system's resolver gives up.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def connect_to(address: IPAddress, port: int, seconds: float) -> socket.socket:
    """A TCP connection to this very address. Raises OSError."""
    connection = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((str(address), port))
    except OSError:
        connection.close()
        raise
    return connection


class Outbound:
    """What may be reached, and within which limits. `allowed_networks` are reached although they are not public.

    `resolve`, `connect` and `tls` (whom to trust) are there for tests.
    """

    def __init__(
        self,
        allowed_networks: Sequence[IPNetwork] = (),
        allowed_ports: frozenset[int] = frozenset({80, 443}),
        *,
        connect_seconds: float = CONNECT_SECONDS_MAX,
        total_seconds: float = EXCHANGE_SECONDS_MAX,
        answer_bytes: int = ANSWER_BYTES_MAX,
        resolve: Resolve = look_up,
        connect: Connect = connect_to,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed_networks = tuple(allowed_networks)
        self._allowed_ports = allowed_ports
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._answer_bytes = answer_bytes
        self._resolve = resolve
        self._connect = connect
        self._tls = tls

    def check(self, url: str) -> None:
        """Whether the URL may be registered, judged as an attempt judges it. Sends nothing. Raises Unsafe."""
        target = parse(url)
        try:
            self._addresses(target, Deadline(self._connect_seconds))
        except Unreachable as error:
            raise Unsafe(f"{error}: check the spelling, and that it is known to public name servers") from None

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends one POST and returns the answer, a redirect too. Raises Unsafe (nothing was sent) or Unreachable."""
        target = parse(url)
        check_headers(headers)
        total = Deadline(self._total_seconds)
        connecting = Deadline(min(self._connect_seconds, self._total_seconds))
        connection = self._connected(target, self._addresses(target, connecting), connecting)
        try:
            if target.scheme == "https":
                connection.settimeout(total.remaining())
                connection = (self._tls or _tls()).wrap_socket(connection, server_hostname=target.name)
            return self._exchange(Wire(connection, total), target, headers, body)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"TLS: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}") from None
        except TimeoutError:
            raise Unreachable(f"no complete answer within {self._total_seconds:g} s") from None
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, OSError):
            raise Unreachable("the connection was closed before the answer was complete") from None
        except (http.client.HTTPException, ValueError):
            raise Unreachable("the answer is not valid HTTP") from None
        finally:
            connection.close()

    def _addresses(self, target: Target, deadline: Deadline) -> list[IPAddress]:
        """Where the target is, if each of its addresses may be reached. Raises Unsafe, Unreachable."""
        addresses = self._resolved(target, deadline)
        within = [is_in(address, self._allowed_networks) for address in addresses]
        if target.port not in self._allowed_ports and not all(within):
            ports = " or ".join(str(port) for port in sorted(self._allowed_ports))
            raise Unsafe(f"port {target.port} is not allowed: use port {ports}")
        if not all(ok or is_public(address) for ok, address in zip(within, addresses, strict=True)):
            raise Unsafe(
                f"{target.host} is not, or not only, at a public address: webhooks are sent to servers that everybody "
                "on the internet can reach"
            )
        return addresses

    def _resolved(self, target: Target, deadline: Deadline) -> list[IPAddress]:
        try:
            return [ip_address(target.host)]
        except ValueError:
            pass
        try:
            addresses = list(self._resolve(target.host, deadline.remaining()))
        except TimeoutError:
            raise Unreachable(f"the name {target.host} was not resolved within {deadline.seconds:g} s") from None
        except OSError:
            addresses = []
        if not addresses:
            raise Unreachable(f"the name {target.host} could not be resolved")
        return addresses

    def _connected(self, target: Target, addresses: Sequence[IPAddress], deadline: Deadline) -> socket.socket:
        """A connection to the first address that takes one. Each gets its share of the time, for one may be silent."""
        failed: OSError | None = None
        tried = addresses[:ADDRESSES_TRIED_MAX]
        for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
            try:
                return self._connect(address, target.port, deadline.remaining() / left)
            except OSError as error:
                failed = error
        raise Unreachable(_why_unconnected(failed, deadline.seconds))

    def _exchange(self, wire: Wire, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        client = http.client.HTTPConnection(target.host, target.port)
        client.auto_open = 0  # No other connection than this one, ever.
        client.sock = cast(socket.socket, wire)
        ours = {"Host": target.host_header, "Accept-Encoding": "identity", "Connection": "close"}
        wire.allow(ANSWER_HEADERS_BYTES_MAX)
        client.request("POST", target.path, body=body, headers={**ours, **headers})
        response = client.getresponse()
        try:
            # Chunks of a single byte cost six; more than that is not an answer but an attempt to keep us busy.
            wire.allow(ANSWER_HEADERS_BYTES_MAX + 8 * self._answer_bytes)
            content = self._read(response)
        finally:
            response.close()
        answered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(
            response.status, answered, content[: self._answer_bytes], truncated=len(content) > self._answer_bytes
        )

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """The body, or one byte more of it than is kept. Raises IncompleteRead."""
        content = b""
        while len(content) <= self._answer_bytes:
            block = response.read(self._answer_bytes + 1 - len(content))
            if not block:
                if response.length:
                    raise http.client.IncompleteRead(content, response.length)
                break
            content += block
        return content


def _why_unconnected(error: OSError | None, seconds: float) -> str:
    match error:
        case TimeoutError():
            return f"no connection within {seconds:g} s"
        case ConnectionRefusedError():
            return "connection refused"
        case _:
            return f"no connection: {((error and error.strerror) or 'unknown reason').lower()}"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())
