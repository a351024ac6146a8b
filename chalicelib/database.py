"""PostgreSQL: one connection per process, named queries, and errors sorted into transient and ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import Rollback as RollBack
from psycopg import errors as pg
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow, dict_row

from chalicelib import telemetry
from chalicelib.errors import Transient
from chalicelib.sql import query

__all__ = ["Database", "RollBack", "Transaction", "UniqueViolation"]

CONNECT_SECONDS_MAX = 10
_UNPREPARED: dict[str, Any] = {"prepare_threshold": None}

# The server ended our statement, transaction or session for a reason that may be gone next time.
_TRANSIENT = (
    psycopg.OperationalError,  # includes time-outs, deadlocks, serialization failures, shutdown, lost connections
    psycopg.InterfaceError,  # the connection is closed
    pg.IdleInTransactionSessionTimeout,
    pg.ReadOnlySqlTransaction,
)


class Database:
    """A lazily opened connection that is opened again after it broke. One caller at a time.

    `conninfo` may be something that tells it: it is asked for every connection, so that a password that was changed is
    found. `announce` is called after the commit of a transaction that recorded events. `pooled` says that a proxy
    shares connections: statements are not prepared then, because they would tie a connection to one caller.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str],
        announce: Callable[[], None] = lambda: None,
        *,
        pooled: bool = False,
    ) -> None:
        self._conninfo = conninfo
        self._announce = announce
        self._pooled = pooled
        self._connection: psycopg.Connection[DictRow] | None = None

    def connection(self) -> psycopg.Connection[DictRow]:
        """The open connection, in autocommit mode. Raises Transient when PostgreSQL cannot be reached."""
        if self._connection is None or self._connection.closed:
            conninfo = self._conninfo if isinstance(self._conninfo, str) else self._conninfo()
            with _translated():
                self._connection = psycopg.connect(
                    conninfo,
                    **_UNPREPARED if self._pooled else {},
                    autocommit=True,
                    row_factory=dict_row,
                    connect_timeout=CONNECT_SECONDS_MAX,
                    application_name=f"product-importer/{os.getpid()}",
                )
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commits at the end of the block, rolls back when it raises. Database failures come out as Transient.

        Raising RollBack leaves the block quietly, with nothing done.
        """
        connection = self.connection()
        committed = False
        with _translated(), connection.transaction(), connection.cursor() as cursor:
            transaction = Transaction(cursor)
            yield transaction
            committed = True
        if not committed:
            return
        if transaction.announces:
            self._announce()
        for tell in transaction.afterwards:
            tell()

    def close(self) -> None:
        """Closes the connection; the next use opens a new one."""
        if self._connection is not None:
            self._connection.close()


class Transaction:
    """Runs named queries inside one transaction. Each call is one statement with a snapshot of its own."""

    def __init__(self, cursor: psycopg.Cursor[DictRow]) -> None:
        self.cursor = cursor
        self.announces = False
        """Whether it recorded events: somebody is told of them when it is committed."""
        self.afterwards: list[Callable[[], None]] = []
        """What is told of it when it is committed."""

    def tell(self, happened: str, **more: Any) -> None:
        """Like `telemetry.tell`, once this is committed. What is rolled back is not told."""
        self.afterwards.append(partial(telemetry.tell, happened, **more))

    def run(self, name: str, /, **parameters: Any) -> int:
        """Runs a query; returns how many rows it touched."""
        self.cursor.execute(query(name), parameters)
        return self.cursor.rowcount

    def one(self, name: str, /, **parameters: Any) -> DictRow | None:
        """The first row of a query, or None."""
        return self.cursor.execute(query(name), parameters).fetchone()

    def all(self, name: str, /, **parameters: Any) -> list[DictRow]:
        """Every row of a query: for queries with a limit of their own."""
        return self.cursor.execute(query(name), parameters).fetchall()

    def composed(self, names: Sequence[str], /, **parameters: Any) -> list[DictRow]:
        """Every row of a query that is put together from named fragments."""
        return self.cursor.execute("\n".join([query(name) for name in names]), parameters).fetchall()

    def many(self, name: str, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Runs a query once for each set of parameters, in one round trip."""
        if parameters:
            self.cursor.executemany(query(name), parameters)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _TRANSIENT as error:
        raise Transient(f"PostgreSQL could not finish the work: {type(error).__name__}: {error}") from error
