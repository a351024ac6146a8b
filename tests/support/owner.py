"""Access to the database as its owner. Connections are reused, because opening one costs as much as many statements."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row


class Owner:
    """Runs each statement in a transaction of its own. Threads may share it: each gets its own connection."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._idle: list[psycopg.Connection[dict[str, Any]]] = []

    def sql(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Runs a statement, or several without parameters. Returns the rows, if any."""
        connection = self._take()
        try:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> psycopg.Connection[dict[str, Any]]:
        try:
            return self._idle.pop()
        except IndexError:
            # No prepared plans: a test may change what they were made for.
            return psycopg.connect(self._conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=None)
