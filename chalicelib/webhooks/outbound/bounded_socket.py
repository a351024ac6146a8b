"""A connection with one deadline and one budget of bytes, which hold whatever the peer does."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Deadline:
    """A point in time at which everything together must have ended, however slowly the peer sends."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, always more than 0. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class BoundedSocket(io.RawIOBase):
    """The part of a socket that http.client uses. Each step gets the time that is left; incoming bytes have a limit."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._taken = 0
        self._allowed = 0
        self.ended = False
        """Whether a read has found the end of the connection."""

    def allow(self, total: int) -> None:
        """Allows this many bytes to come in, counted from the beginning of the connection."""
        self._allowed = total

    def sendall(self, data: ReadableBuffer) -> None:
        """Sends everything. Raises TimeoutError, OSError."""
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(self._deadline.remaining())
            rest = rest[self._connection.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Returns what http.client reads the response from."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Does nothing: http.client calls it before it reads the response. The caller closes the connection."""

    def readable(self) -> bool:
        """Always True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Reads what has arrived. Raises TimeoutError, OSError, and HTTPException if the response is too long."""
        if self._taken >= self._allowed:
            raise http.client.HTTPException
        self._connection.settimeout(self._deadline.remaining())
        count = self._connection.recv_into(memoryview(buffer)[: self._allowed - self._taken])
        self._taken += count
        self.ended = count == 0
        return count
