"""A server on loopback that counts who comes, remembers what they send, and answers as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_SECONDS_MAX = 30.0

Reply = Callable[[socket.socket, "Receiver"], None]
"""Answers one request."""


class Receiver:
    """`accepted` counts connections, whether or not anything was sent. `requests` holds what was sent, as it came.

    One that does not listen answers without reading the request first.
    """

    def __init__(self, reply: bytes | Reply = OK, tls: ssl.SSLContext | None = None, listens: bool = True) -> None:
        self.accepted = 0
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self.ended = threading.Event()
        self._reply = reply
        self._tls = tls
        self._listens = listens
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def drip(self, connection: socket.socket, head: bytes, endless: bytes) -> None:
        """Sends `head`, then `endless` again and again, a little at a time, until the other end has had enough."""
        connection.sendall(head)
        while not self.ended.wait(0.02):
            connection.sendall(endless)

    def stop(self) -> None:
        self.ended.set()
        # Closing alone would not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_SECONDS_MAX)
        self._listener.close()

    def _serve(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection.settimeout(PATIENCE_SECONDS_MAX)
            try:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
            except OSError:
                pass  # The other end went away, as some tests want it to.
            finally:
                connection.close()

    def _answer(self, connection: socket.socket) -> None:
        received = b""
        while self._listens and not _is_whole(received):
            if not (block := connection.recv(65536)):
                return
            received += block
        self.requests.append(received)
        if callable(self._reply):
            self._reply(connection, self)
        else:
            connection.sendall(self._reply)


@contextmanager
def receiver(reply: bytes | Reply = OK, tls: ssl.SSLContext | None = None, listens: bool = True) -> Iterator[Receiver]:
    """A receiver that runs as long as it is needed."""
    running = Receiver(reply, tls, listens)
    try:
        yield running
    finally:
        running.stop()


def header_of(request: bytes, name: str) -> list[str]:
    """All values of a header of a request, however it is written."""
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(": ") for line in lines]
    return [value for found, _, value in pairs if found.lower() == name.lower()]


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    [length] = header_of(head + end, "Content-Length") or ["0"]
    return len(body) >= int(length)
