"""A connection that keeps to one deadline and one budget of bytes, whatever the other end does."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Deadline:
    """A point in time that everything together has to keep to, however slowly the other end drips."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, more than none. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Wire(io.RawIOBase):
    """The connection as http.client uses it. Each step gets the time that is left; only so many bytes come in."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._taken = 0
        self._allowed = 0

    def allow(self, total: int) -> None:
        """From here on, so many bytes may have come in since the beginning."""
        self._allowed = total

    def sendall(self, data: ReadableBuffer) -> None:
        """Sends everything. Raises TimeoutError, OSError."""
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(self._deadline.remaining())
            rest = rest[self._connection.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Nothing: http.client closes before it reads the answer. Who made the connection closes it."""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Takes what is there. Raises TimeoutError, OSError, and HTTPException for an answer that is too long."""
        if self._taken >= self._allowed:
            raise http.client.HTTPException
        self._connection.settimeout(self._deadline.remaining())
        count = self._connection.recv_into(memoryview(buffer)[: self._allowed - self._taken])
        self._taken += count
        return count
