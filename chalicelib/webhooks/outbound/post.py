"""Sends one HTTP request to a URL that a stranger chose, and only if that is safe.

The name is resolved once, all of its addresses must be public, and the connection goes to one of exactly these. What
the name resolves to a moment later (DNS rebinding) does not matter. Python's http.client is given the open connection,
so nothing resolves the name again, follows a redirect, reads a proxy from the environment or a password from .netrc,
decompresses the response, or connects again.
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
    EXCHANGE_SECONDS_MAX,
    INFORMATIONAL_RESPONSES_MAX,
    RESPONSE_BYTES_MAX,
    RESPONSE_HEADERS_BYTES_MAX,
    WEBHOOK_CONNECT_SECONDS_MAX,
)
from chalicelib.webhooks.outbound.bounded_socket import BoundedSocket, Deadline
from chalicelib.webhooks.outbound.public_addresses import IPAddress, IPNetwork, is_in, is_public
from chalicelib.webhooks.outbound.unsafe import Unsafe
from chalicelib.webhooks.outbound.urls import Target, check_headers, parse

__all__ = ["Outbound", "Response", "Unreachable", "Unsafe"]


class Unreachable(ImporterError):
    """There was no complete response. The message is for the person who operates the receiver."""


@dataclass(frozen=True)
class Response:
    """The response of a receiver. `body` is its beginning, as it arrived: compressed content stays compressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _FinalResponse(http.client.HTTPResponse):
    """Skips every informational response before the final one (RFC 9110, 15.2); http.client skips only 100.

    101 is final: no other protocol was asked for, so what would follow cannot be read.
    """

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(INFORMATIONAL_RESPONSES_MAX + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed lists only public names
            if status >= 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise Unreachable(f"more than {INFORMATIONAL_RESPONSES_MAX} informational responses (1xx) before a final one")


Resolve = Callable[[str, float], Sequence[IPAddress]]
"""The addresses of a name, found within this many seconds. Raises OSError."""
Connect = Callable[[IPAddress, int, float], socket.socket]
"""A TCP connection to an address and port, made within this many seconds. Raises OSError."""


def look_up(host: str, seconds: float) -> list[IPAddress]:
    """The addresses of a name, each once, from the system's resolver. Raises OSError; TimeoutError after `seconds`."""
    found: list[list[IPAddress] | OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.append(list(dict.fromkeys(ip_address(str(answer[4][0])) for answer in answers)))
        except OSError as error:
            found.append(error)
        except ValueError as error:  # UnicodeError: names that DNS cannot hold
            found.append(OSError(str(error)))

    # getaddrinfo has no time-out; the thread ends when the system's resolver gives up.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def connect_to(address: IPAddress, port: int, seconds: float) -> socket.socket:
    """A TCP connection to exactly this address. Raises OSError."""
    connection = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((str(address), port))
    except OSError:
        connection.close()
        raise
    return connection


class Outbound:
    """Sends requests within limits. `allowed_networks` may be reached although they are not public.

    `resolve`, `connect` and `tls` (the trusted certificate authorities) are parameters for tests.
    """

    def __init__(
        self,
        allowed_networks: Sequence[IPNetwork] = (),
        allowed_ports: frozenset[int] = frozenset({80, 443}),
        *,
        connect_seconds: float = WEBHOOK_CONNECT_SECONDS_MAX,
        total_seconds: float = EXCHANGE_SECONDS_MAX,
        response_bytes: int = RESPONSE_BYTES_MAX,
        resolve: Resolve = look_up,
        connect: Connect = connect_to,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed_networks = tuple(allowed_networks)
        self._allowed_ports = allowed_ports
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._response_bytes = response_bytes
        self._resolve = resolve
        self._connect = connect
        self._tls = tls

    def check(self, url: str) -> None:
        """Checks that the URL may be registered, by the rules of an attempt. Sends nothing. Raises Unsafe."""
        self._addresses(parse(url), Deadline(self._connect_seconds))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Sends one POST and returns the response, even a redirect. Raises Unsafe (nothing was sent) or Unreachable."""
        target = parse(url)
        check_headers(headers)
        total = Deadline(self._total_seconds)
        connecting = Deadline(min(self._connect_seconds, self._total_seconds))
        connection = self._connected(target, self._addresses(target, connecting), connecting)
        try:
            if target.scheme == "https":
                connection.settimeout(total.remaining())
                connection = (self._tls or _tls()).wrap_socket(connection, server_hostname=target.name)
            return self._exchange(BoundedSocket(connection, total), target, headers, body)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"TLS: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}") from None
        except TimeoutError:
            raise Unreachable(f"no complete response within {self._total_seconds:g} s") from None
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, OSError):
            raise Unreachable("the connection was closed before the response was complete") from None
        except (http.client.HTTPException, ValueError):
            raise Unreachable("the response is not valid HTTP") from None
        finally:
            connection.close()

    def _addresses(self, target: Target, deadline: Deadline) -> list[IPAddress]:
        """The addresses of the target, all of which may be reached. Raises Unsafe.

        A name that is not resolved, or not in time, is refused in the same words as one with a private address.
        Otherwise a stranger could find out which names exist inside the network.
        """
        addresses = self._resolved(target, deadline)
        within = [is_in(address, self._allowed_networks) for address in addresses]
        if target.port not in self._allowed_ports and not (within and all(within)):
            ports = " or ".join(str(port) for port in sorted(self._allowed_ports))
            raise Unsafe(f"port {target.port} is not allowed: use port {ports}")
        allowed = [ok or is_public(address) for ok, address in zip(within, addresses, strict=True)]
        if not (allowed and all(allowed)):
            raise Unsafe(_why_refused(target))
        return addresses

    def _resolved(self, target: Target, deadline: Deadline) -> list[IPAddress]:
        if target.is_address:
            return [ip_address(target.host)]
        try:
            return list(self._resolve(target.host, deadline.remaining()))
        except OSError:  # TimeoutError is one, too.
            return []

    def _connected(self, target: Target, addresses: Sequence[IPAddress], deadline: Deadline) -> socket.socket:
        """A connection to the first address that accepts one. Each gets a share of the time, as one may be silent."""
        failed: OSError | None = None
        tried = addresses[:ADDRESSES_TRIED_MAX]
        for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
            try:
                return self._connect(address, target.port, deadline.remaining() / left)
            except OSError as error:
                failed = error
        raise Unreachable(_why_unconnected(failed, deadline.seconds))

    def _exchange(self, bounded: BoundedSocket, target: Target, headers: Mapping[str, str], body: bytes) -> Response:
        client = http.client.HTTPConnection(target.host, target.port)
        client.auto_open = 0  # Never opens another connection.
        client.response_class = _FinalResponse
        client.sock = cast(socket.socket, bounded)
        ours = {"Host": target.host_header, "Accept-Encoding": "identity", "Connection": "close"}
        bounded.allow(RESPONSE_HEADERS_BYTES_MAX)
        client.request("POST", target.path, body=body, headers={**ours, **headers})
        response = client.getresponse()
        try:
            if bounded.ended:  # http.client takes the end of the connection for the end of the headers.
                raise http.client.IncompleteRead(b"")
            # A chunk of a single byte takes six bytes. A response with more overhead is meant to keep us busy.
            bounded.allow(RESPONSE_HEADERS_BYTES_MAX + 8 * self._response_bytes)
            content = self._read(response)
        finally:
            response.close()
        answered = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, answered, content[: self._response_bytes])

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """The body, up to one byte more than is kept. Raises IncompleteRead if it ends too early."""
        content = b""
        while len(content) <= self._response_bytes:
            block = response.read(self._response_bytes + 1 - len(content))
            if not block:
                if response.length:
                    raise http.client.IncompleteRead(content, response.length)
                break
            content += block
        return content


def _why_refused(target: Target) -> str:
    remedy = "use a server that can be reached from the internet"
    if target.is_address:
        return f"the address {target.host} is not public: {remedy}"
    what = "could not be resolved, or has an address that is not public"
    return f"the host {target.shown_host} {what}: check the spelling, and {remedy}"


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
