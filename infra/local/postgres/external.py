"""PostgreSQL that somebody else keeps running: it is neither started nor stopped here."""

from __future__ import annotations

import psycopg

from infra.local.docker import Containers
from infra.local.postgres.leftovers import PostgresFailed
from infra.local.processes.deadline import TookTooLong, wait_until

READY_SECONDS_MAX = 30.0
CONNECT_SECONDS_MAX = 5


class ExternalPostgres:
    """What `make up` has started and furnished."""

    def __init__(self, containers: Containers) -> None:
        self.port = containers.postgres_port
        self.owner_conninfo = containers.owner_conninfo
        self.role_conninfo = containers.role_conninfo
        self._trouble = ""

    def wait_ready(self) -> None:
        """Waits until both roles can log in. Raises PostgresFailed."""
        try:
            wait_until(self._answers, READY_SECONDS_MAX, "PostgreSQL in Docker")
        except TookTooLong as error:
            raise PostgresFailed(f"{error}; run `make up` first. It said: {self._trouble}") from None

    def stop(self) -> None:
        """Nothing: `make down` does."""

    def _answers(self) -> bool:
        try:
            for conninfo in (self.owner_conninfo, self.role_conninfo):
                psycopg.connect(conninfo, connect_timeout=CONNECT_SECONDS_MAX).close()
        except psycopg.OperationalError as error:
            self._trouble = str(error).strip()
            return False
        return True
