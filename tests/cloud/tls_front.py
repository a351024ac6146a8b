"""A TLS proxy for the embedded PostgreSQL, which is built without OpenSSL.

Deployed functions require an encrypted connection to a server with a certificate for its address (sslmode=verify-full),
and connect to port 5432, RDS's port. The proxy listens there, on a loopback address of its own, so that it does not
clash with another PostgreSQL. Like a server with rds.force_ssl, it accepts only encrypted connections, and like RDS, it
admits users of IAM (iam_login.py).
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from infra.local.processes.ports import LOOPBACK
from tests.cloud.iam_login import Logins

PORT = 5432
REQUEST = struct.Struct("!II")
"""The first bytes from a client: the length of its request, and the code of the request."""
ENCRYPT_WITH_TLS = 80877103
ENCRYPT_WITH_GSSAPI = 80877104
READ_BYTES = 65536
ADDRESSES_TRIED_MAX = 20
START_SECONDS_MAX = 10.0


class TlsFront:
    """`encrypted` counts the accepted connections. `context_for` returns the TLS context for an address."""

    def __init__(self, backend_port: int, context_for: Callable[[str], ssl.SSLContext]) -> None:
        self.encrypted = 0
        self._backend_port = backend_port
        self._listener = _listener()
        self.address: str = self._listener.getsockname()[0]
        self.logins = Logins(f"{self.address}:{PORT}")
        self._context = context_for(self.address)
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="TLS front")
        self._thread.start()
        self._started.wait(START_SECONDS_MAX)

    def stop(self) -> None:
        """Closes every connection, and stops listening."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    @contextmanager
    def presenting(self, context: ssl.SSLContext) -> Iterator[None]:
        """New connections get another certificate until the block ends."""
        usual, self._context = self._context, context
        try:
            yield
        finally:
            self._context = usual

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=self._listener)
        self._started.set()
        await self._ended.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # A client that disconnects or sends something else is ignored.
            with suppress(OSError, asyncio.IncompleteReadError):
                if await _wants_tls(reader, writer):
                    await writer.start_tls(self._context)
                    self.encrypted += 1
                    startup = await self.logins.admit(reader, writer)
                    if startup is not None:
                        await self._relay(reader, writer, startup)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        """Forwards everything in both directions until one side ends."""
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._backend_port)
        server_writer.write(startup)
        directions = [asyncio.ensure_future(_forward(reader, server_writer))]
        directions.append(asyncio.ensure_future(_forward(server_reader, writer)))
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            server_writer.transport.abort()


@contextmanager
def tls_front(backend_port: int, context_for: Callable[[str], ssl.SSLContext]) -> Iterator[TlsFront]:
    """Runs a proxy until the block ends."""
    front = TlsFront(backend_port, context_for)
    try:
        yield front
    finally:
        front.stop()


async def _wants_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    while True:
        length, code = REQUEST.unpack(await reader.readexactly(REQUEST.size))
        if length == REQUEST.size and code == ENCRYPT_WITH_TLS:
            writer.write(b"S")
            await writer.drain()
            return True
        if length != REQUEST.size or code != ENCRYPT_WITH_GSSAPI:
            return False
        writer.write(b"N")
        await writer.drain()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()


def _listener() -> socket.socket:
    """Returns a socket at an unused loopback address. On Linux, every address that begins with 127 is one."""
    for _ in range(ADDRESSES_TRIED_MAX):
        address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        with suppress(OSError):
            return socket.create_server((address, PORT))
    raise OSError(f"Port {PORT} is in use on every address of this machine. Stop the program that listens there.")
