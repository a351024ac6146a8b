"""PostgreSQL in Docker: the stack neither starts nor stops it."""

from __future__ import annotations

import psycopg

from infra.local.docker import Containers
from infra.local.errors import PostgresFailed
from infra.local.processes.deadline import TookTooLong, wait_until

READY_SECONDS_MAX = 30.0
CONNECT_SECONDS_MAX = 5


class ExternalPostgres:
    """The server that `make up` has started and set up."""

    def __init__(self, containers: Containers) -> None:
        self.port = containers.postgres_port
        self.owner_conninfo = containers.owner_conninfo
        self.conninfos = containers.conninfos
        self._last_error = ""

    def wait_ready(self) -> None:
        """Waits until all roles can log in. Raises PostgresFailed."""
        try:
            wait_until(self._answers, READY_SECONDS_MAX, "PostgreSQL in Docker")
        except TookTooLong:
            raise PostgresFailed(
                f"PostgreSQL in Docker does not answer after {READY_SECONDS_MAX:g} s: run `make up` first. "
                f"The last error: {self._last_error}"
            ) from None

    def stop(self) -> None:
        """Does nothing: `make down` stops it."""

    def _answers(self) -> bool:
        try:
            for conninfo in (self.owner_conninfo, *self.conninfos.values()):
                psycopg.connect(conninfo, connect_timeout=CONNECT_SECONDS_MAX).close()
        except psycopg.OperationalError as error:
            self._last_error = str(error).strip()
            return False
        return True
