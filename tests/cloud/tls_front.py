"""TLS in front of a PostgreSQL that has none: the embedded one is built without OpenSSL.

Deployed functions insist on an encrypted connection to a server that has a certificate for its address
(sslmode=verify-full), and go to port 5432 as RDS has it. This listens there, on a loopback address of its own so that
no other PostgreSQL is in the way, and like a server with rds.force_ssl it takes nobody who does not encrypt.
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

PORT = 5432
REQUEST = struct.Struct("!II")
"""How a client begins: the length of the request, and what it asks for."""
ENCRYPT_WITH_TLS = 80877103
ENCRYPT_WITH_GSSAPI = 80877104
READ_BYTES = 65536
ADDRESSES_TRIED_MAX = 20
START_SECONDS_MAX = 10.0


class TlsFront:
    """`encrypted` counts the connections that were taken. `context_for` makes what is presented at an address."""

    def __init__(self, backend_port: int, context_for: Callable[[str], ssl.SSLContext]) -> None:
        self.encrypted = 0
        self._backend_port = backend_port
        self._listener = _listener()
        self.address: str = self._listener.getsockname()[0]
        self._context = context_for(self.address)
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="TLS front")
        self._thread.start()
        self._started.wait(START_SECONDS_MAX)

    def stop(self) -> None:
        """Ends every connection."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    @contextmanager
    def presenting(self, context: ssl.SSLContext) -> Iterator[None]:
        """As long as this lasts, who connects anew is shown something else."""
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
            # A client that goes away, or cannot be understood, is no news.
            with suppress(OSError, asyncio.IncompleteReadError):
                if await _wants_tls(reader, writer):
                    await writer.start_tls(self._context)
                    self.encrypted += 1
                    await self._join(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes everything on, both ways, until one side ends."""
        their_reader, their_writer = await asyncio.open_connection(LOOPBACK, self._backend_port)
        ways = [asyncio.ensure_future(_pass_on(reader, their_writer))]
        ways.append(asyncio.ensure_future(_pass_on(their_reader, writer)))
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            their_writer.transport.abort()


@contextmanager
def tls_front(backend_port: int, context_for: Callable[[str], ssl.SSLContext]) -> Iterator[TlsFront]:
    """One that runs as long as it is needed."""
    front = TlsFront(backend_port, context_for)
    try:
        yield front
    finally:
        front.stop()


async def _wants_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    while True:
        length, wish = REQUEST.unpack(await reader.readexactly(REQUEST.size))
        if length == REQUEST.size and wish == ENCRYPT_WITH_TLS:
            writer.write(b"S")
            await writer.drain()
            return True
        if length != REQUEST.size or wish != ENCRYPT_WITH_GSSAPI:
            return False
        writer.write(b"N")
        await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()


def _listener() -> socket.socket:
    """On Linux every address that begins with 127 is this machine's."""
    for _ in range(ADDRESSES_TRIED_MAX):
        address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        with suppress(OSError):
            return socket.create_server((address, PORT))
    raise OSError(f"something listens on port {PORT} of every address of this machine: stop it first")
