"""PostgreSQL: one connection per process, named queries, and database failures as Transient or TimedOut."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import Rollback as RollBack
from psycopg import errors as pg
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from chalicelib import telemetry
from chalicelib.backends.records import Record, record_factory
from chalicelib.errors import TimedOut, Transient
from chalicelib.limits import (
    CONNECTION_IDLE_SECONDS_MAX,
    CONNECTION_PROBE_SECONDS,
    CONNECTION_UNANSWERED_SECONDS_MAX,
)
from chalicelib.sql import query

__all__ = ["Database", "RollBack", "Transaction", "UnexpectedRows", "UniqueViolation"]

Value = TypeVar("Value")

DATABASE_CONNECT_SECONDS_MAX = 10
_UNPREPARED: dict[str, Any] = {"prepare_threshold": None}
_GIVEN_UP: dict[str, Any] = {
    # Sent data must be acknowledged within this time; the operating system's default is a quarter of an hour.
    "tcp_user_timeout": 1000 * CONNECTION_UNANSWERED_SECONDS_MAX,
    # Nothing is sent while waiting for an answer, so probes check that the server is still there.
    "keepalives_idle": CONNECTION_PROBE_SECONDS,
    "keepalives_interval": CONNECTION_PROBE_SECONDS,
    "keepalives_count": CONNECTION_UNANSWERED_SECONDS_MAX // CONNECTION_PROBE_SECONDS,
}
"""When libpq considers a connection broken because the server is silent."""

# The server ended our statement, transaction or session for a reason that may not occur again.
_TRANSIENT = (
    psycopg.OperationalError,  # includes time-outs, deadlocks, serialization failures, shutdown, lost connections
    psycopg.InterfaceError,  # the connection is closed
    pg.IdleInTransactionSessionTimeout,
    pg.ReadOnlySqlTransaction,
)


class Database:
    """A connection that is opened when it is needed, and again after it broke. One caller at a time.

    A connection that broke while it was idle is replaced: the server was restarted, or a proxy or a network dropped it.
    If it breaks inside a transaction, that raises Transient, and nothing is repeated here.

    `conninfo` may be a function. It is called for every connection, so that a changed password is found. `announce` is
    called after the commit of a transaction that recorded events, `announce_changes` after one that changed products.
    `pooled` says that a proxy shares connections: statements are not prepared then, because they would tie a connection
    to one caller.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str],
        announce: Callable[[], None] = lambda: None,
        announce_changes: Callable[[], None] = lambda: None,
        *,
        pooled: bool = False,
    ) -> None:
        self._conninfo = conninfo
        self._announce = announce
        self._announce_changes = announce_changes
        self._pooled = pooled
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._begun_at = 0.0

    def connection(self) -> psycopg.Connection[TupleRow]:
        """The open connection, in autocommit mode. Raises Transient when PostgreSQL cannot be reached."""
        if self._connection is None or self._connection.closed:
            conninfo = self._conninfo if isinstance(self._conninfo, str) else self._conninfo()
            with _translated():
                self._connection = psycopg.connect(
                    conninfo,
                    **_UNPREPARED if self._pooled else {},
                    **_GIVEN_UP,
                    autocommit=True,
                    connect_timeout=DATABASE_CONNECT_SECONDS_MAX,
                    application_name=f"product-importer/{os.getpid()}",
                )
        return self._connection

    @contextmanager
    def transaction(self, *, continues: bool = False) -> Iterator[Transaction]:
        """Commits at the end of the block, rolls back when it raises. Database failures raise Transient.

        RollBack raised inside leaves the block without an error, and with nothing changed. `continues` says that the
        block needs a temporary table that an earlier one created: it runs in the same session or not at all.
        """
        committed = False
        with _translated(), self._closed_when_read_only(), ExitStack() as block:
            connection = self._begin(block, continues=continues)
            transaction = Transaction(block.enter_context(connection.cursor()))
            yield transaction
            committed = True
        if not committed:
            return
        if transaction.announces:
            self._announce()
        if transaction.changes_products:
            self._announce_changes()
        for write_line in transaction.afterwards:
            write_line()

    def close(self) -> None:
        """Closes the connection; the next use opens a new one."""
        if self._connection is not None:
            self._connection.close()

    def _begin(self, block: ExitStack, *, continues: bool) -> psycopg.Connection[TupleRow]:
        """Begins a transaction that ends with `block`, on a new connection if the present one turns out to be broken.

        BEGIN is the test: psycopg sends it alone and waits for its answer, so if it fails nothing else has been sent.
        Only BEGIN is repeated, once, and not inside another transaction, which would be lost.
        """
        former = self._connection
        if continues and (former is None or former.closed):
            raise psycopg.OperationalError("the session in which the work began is gone")
        idle = former is not None and former.info.transaction_status == TransactionStatus.IDLE
        replaceable = idle and not continues
        # Wall-clock time: the monotonic clock may stop while a function is frozen between two invocations.
        now = time.time()
        if replaceable and now - self._begun_at > CONNECTION_IDLE_SECONDS_MAX:
            self.close()
        self._begun_at = now
        connection = self.connection()
        try:
            block.enter_context(connection.transaction())
        except psycopg.Error as error:
            if not (replaceable and connection is former and connection.closed):
                raise
            telemetry.log("a broken connection to PostgreSQL was replaced", reason=type(error).__name__)
            connection = self.connection()
            block.enter_context(connection.transaction())
        return connection

    @contextmanager
    def _closed_when_read_only(self) -> Iterator[None]:
        """A read-only server has failed over to another one, which a new connection will find."""
        try:
            yield
        except pg.ReadOnlySqlTransaction:
            self.close()
            raise


class UnexpectedRows(Exception):
    """A query did not return exactly one row, or not the expected type: a bug."""


class Transaction:
    """Runs named queries inside one transaction. Each call is one statement with its own snapshot."""

    def __init__(self, cursor: psycopg.Cursor[TupleRow]) -> None:
        self.cursor = cursor
        self.announces = False
        """Whether it recorded events: the relay is woken after the commit."""
        self.changes_products = False
        """Whether it changed what readers see of products: indexing is woken after the commit."""
        self.afterwards: list[Callable[[], None]] = []
        """Writes the lines to log after the commit."""

    def log(self, happened: str, **more: Any) -> None:
        """Like `telemetry.log`, but after the commit. What is rolled back is not logged."""
        self.afterwards.append(partial(telemetry.log, happened, **more))

    def run(self, name: str, /, **parameters: Any) -> int:
        """Runs a query. Returns how many rows it changed or returned."""
        self.cursor.execute(query(name), parameters)
        return self.cursor.rowcount

    def one(self, name: str, kind: type[Record], /, **parameters: Any) -> Record | None:
        """The first row of a query as a dataclass, or None."""
        found: Record | None = self._execute(name, kind, parameters).fetchone()
        return found

    def row(self, name: str, kind: type[Record], /, **parameters: Any) -> Record:
        """The row of a query that always returns exactly one. Raises UnexpectedRows, which is a bug."""
        row: Record = self._only(name, self._execute(name, kind, parameters).fetchmany(2))
        return row

    def value(self, name: str, kind: type[Value], /, **parameters: Any) -> Value:
        """The value of a query that always returns exactly one row with one column. Raises UnexpectedRows."""
        row = self._only(name, self._execute(name, tuple, parameters).fetchmany(2))
        if len(row) != 1:
            raise UnexpectedRows(f"{name} returned {len(row)} columns, not exactly one")
        if not isinstance(row[0], kind):
            raise UnexpectedRows(f"{name} returned a value of type {type(row[0]).__name__}, not {kind.__name__}")
        return row[0]

    def exists(self, name: str, /, **parameters: Any) -> bool:
        """Whether a query returns any row."""
        return self._execute(name, tuple, parameters).fetchone() is not None

    def all(self, name: str, kind: type[Record], /, **parameters: Any) -> list[Record]:
        """Every row of a query as a dataclass. For queries that limit their rows themselves."""
        return self._execute(name, kind, parameters).fetchall()

    def composed(self, names: Sequence[str], kind: type[Record], /, **parameters: Any) -> list[Record]:
        """Every row of a query composed of named fragments."""
        return self._cursor_for(kind).execute("\n".join([query(name) for name in names]), parameters).fetchall()

    def many(self, name: str, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Runs a query once for each set of parameters, in one round trip."""
        if parameters:
            self.cursor.executemany(query(name), parameters)

    def _execute(self, name: str, kind: type, parameters: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        return self._cursor_for(kind).execute(query(name), parameters)

    def _cursor_for(self, kind: type) -> psycopg.Cursor[Any]:
        """A separate cursor for each result: a shared one would apply the new row factory to the previous result."""
        shape: Any = tuple_row if kind is tuple else record_factory(kind)
        cursor: psycopg.Cursor[Any] = self.cursor.connection.cursor(row_factory=shape)
        return cursor

    @staticmethod
    def _only(name: str, rows: list[Any]) -> Any:
        if len(rows) != 1:
            raise UnexpectedRows(f"{name} returned {'more than one row' if rows else 'no row'}, not exactly one")
        return rows[0]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _TRANSIENT as error:
        kind = TimedOut if isinstance(error, pg.QueryCanceled) else Transient
        raise kind(f"PostgreSQL could not complete the request: {type(error).__name__}: {error}") from error
