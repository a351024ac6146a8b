"""A PostgreSQL server that only a rival uses: the stack's programs, with the settings that PostgreSQL starts with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.local.postgres.server import SETTINGS, Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK, free_port

DEFAULT_SETTINGS = {"listen_addresses": LOOPBACK, "unix_socket_directories": ""}
"""Where it listens; everything else is PostgreSQL's default."""
STACK_SETTINGS = SETTINGS


@contextmanager
def own_server(directory: Path, settings: Mapping[str, str] = DEFAULT_SETTINGS) -> Iterator[Postgres]:
    """Starts a server with an empty database."""
    with ExitStack() as cleanup:
        logbook = LogBook(directory / "logs", lambda _line: None)
        cleanup.callback(logbook.close)
        server = Postgres(directory, free_port(), logbook, lambda _line: None, settings=settings)
        cleanup.callback(server.stop)
        server.wait_ready()
        yield server
