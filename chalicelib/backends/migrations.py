"""Forward-only SQL migrations, each applied once, in the order of their names.

A file whose name ends in `_contract.sql` takes away what the code before it still uses. A deployment applies it only
after all functions have been replaced; everywhere else it is one of the files in their order.

A file whose name ends in `_steps.sql` is one statement that does a small part of a long work. It is run repeatedly,
each time in a transaction of its own, until nothing is left. It takes the position that the step before has returned
(null for the first step), and returns a new position, or null at the end. The position is stored with the step, so
work that was killed or ran out of time continues where it was. Of the files of one name, it comes after the one that
adds things, and before the contract.

A migration reports what people must know with `raise info`.

Libraries were considered: yoyo's lock is a table row that a killed process leaves behind, and Alembic would add
SQLAlchemy to every Lambda. What we need fits on one screen and survives kills: an advisory lock, one transaction per
file, a checksum.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow

from chalicelib.errors import ImporterError
from chalicelib.limits import (
    IDLE_IN_TRANSACTION_SECONDS_MAX,
    INVOCATION_RESERVE_SECONDS,
    LOCK_WAIT_SECONDS_MAX,
    ROLE_ATTEMPTS_MAX,
    STATEMENT_SECONDS_MAX,
)

LOCK_KEY = 0x1A7C_0DE5
"""Any number that nothing else locks. It makes two migrators run one after the other."""
LOCK_SECONDS_MAX = 60
SERVER_VERSION_MIN = 180000
CONTRACT = "_contract.sql"
STEPS = "_steps.sql"
IAM_ROLE = "rds_iam"
"""RDS accepts a token of IAM, and no password, from the members of this role."""
ROLE_SETTINGS = {
    # A frozen or lost client must not hold its locks: the server ends its statement or its transaction.
    "statement_timeout": f"{STATEMENT_SECONDS_MAX}s",
    "lock_timeout": f"{LOCK_WAIT_SECONDS_MAX}s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS_MAX}s",
    "timezone": "UTC",
}
"""The settings with which each session of a function begins."""


_KEEP_POSITION = (
    "insert into schema_step (name, position) values (%s, %s)"
    " on conflict (name) do update set position = excluded.position"
)


class MigrationError(ImporterError):
    """The database cannot be migrated; the message says why and what to do."""


@dataclass
class Migrated:
    """What was done: the names of the applied migrations, and their reports, which people should read."""

    applied: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    finished: bool = True
    """False when the time ran out. The next call continues."""


def migrate(conninfo: str, *, contract: bool = True) -> list[str]:
    """Applies the missing migrations, however long it takes. Returns their names. Raises MigrationError."""
    return advance(conninfo, contract=contract).applied


def advance(conninfo: str, *, contract: bool = True, seconds_left: Callable[[], float] = lambda: math.inf) -> Migrated:
    """Applies the missing migrations as the owner of the database, until the time runs out. Raises MigrationError.

    The roles of the functions must exist. With contract=False, the code of before can still use the result.
    """
    migrated = Migrated()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.info.server_version < SERVER_VERSION_MIN:
            needed, present = SERVER_VERSION_MIN // 10000, connection.info.server_version // 10000
            raise MigrationError(f"PostgreSQL {needed} or newer is required; this is {present}")
        connection.add_notice_handler(partial(_note_report, migrated.reports))
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS_MAX}s"])
        connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        connection.execute(
            "create table if not exists schema_migration (name text primary key, sha256 text not null,"
            " applied_at timestamptz not null default now())"
        )
        applied: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
        for migration in _wanted(applied, contract=contract):
            if not _apply(connection, migration, seconds_left):
                migrated.finished = False
                break
            migrated.applied.append(migration.name)
    return migrated


def missing_roles(conninfo: str, roles: Iterable[str]) -> set[str]:
    """Returns those of these roles that do not exist."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        existing = connection.execute("select rolname from pg_roles").fetchall()
    return set(roles) - {name for (name,) in existing}


def ensure_role(conninfo: str, role: str, password: str | None) -> None:
    """Creates a role of the functions, or restores it: its login and its limits, which every role can change itself.

    Without a password it logs in with a token of IAM, which only RDS accepts.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        statements = list(_role_statements(connection, role, password))
        for attempt in range(1, ROLE_ATTEMPTS_MAX + 1):
            try:
                with connection.transaction():
                    for statement in statements:
                        connection.execute(statement)
            except (errors.UniqueViolation, errors.InternalError_):
                # Roles belong to all databases of a server: another one is creating or changing it at this moment.
                if attempt == ROLE_ATTEMPTS_MAX:
                    raise
            else:
                return


def _role_statements(
    connection: psycopg.Connection[TupleRow], role: str, password: str | None
) -> Iterator[sql.Composed]:
    name, database = sql.Identifier(role), sql.Identifier(connection.info.dbname)
    yield sql.SQL("do $$ begin create role {}; exception when duplicate_object then null; end $$").format(name)
    if password is None:
        yield sql.SQL("alter role {} login password null").format(name)
        yield sql.SQL("grant {} to {}").format(sql.Identifier(IAM_ROLE), name)
    else:
        # Hashed here: a password sent in clear text may end up in the server's log.
        encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        yield sql.SQL("alter role {} login password {}").format(name, sql.Literal(encrypted))
    yield sql.SQL("alter role {} in database {} reset all").format(name, database)
    yield sql.SQL("alter role {} reset all").format(name)
    for setting, value in ROLE_SETTINGS.items():
        yield sql.SQL("alter role {} set {} to {}").format(name, sql.Identifier(setting), sql.Literal(value))


def _note_report(reports: list[str], notice: Diagnostic) -> None:
    if notice.severity_nonlocalized == "INFO":
        reports.append(notice.message_primary or "")


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("chalicelib.sql").joinpath("migrations")
    entries = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted(((entry.name, entry.read_text("utf-8")) for entry in entries), key=_place)


def _place(migration: tuple[str, str]) -> tuple[str, int]:
    """Where a file comes in the order: by its name, and within one name what adds, the steps, the contract."""
    name = migration[0]
    for place, ending in enumerate((STEPS, CONTRACT), 1):
        if name.endswith(ending):
            return name.removesuffix(ending), place
    return name.removesuffix(".sql"), 0


class _Migration(NamedTuple):
    """A file of SQL."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def _wanted(applied: Mapping[str, str], *, contract: bool) -> Iterator[_Migration]:
    """Yields the missing migrations in their order. Raises MigrationError for one that was changed."""
    for migration in map(_Migration._make, _migrations()):
        if not contract and migration.name.endswith(CONTRACT):
            continue
        if migration.name not in applied:
            yield migration
        elif applied[migration.name] != migration.checksum:
            raise MigrationError(
                f"{migration.name} was changed after it was applied. Undo the change and add a new migration"
            )


def _apply(connection: psycopg.Connection[TupleRow], migration: _Migration, seconds_left: Callable[[], float]) -> bool:
    """Applies one migration. Returns False if the time ran out before its last step."""
    if migration.name.endswith(STEPS):
        # Only here: the first migrations grant all tables that exist to a role of the functions.
        connection.execute("create table if not exists schema_step (name text primary key, position text not null)")
        while not _take_step(connection, migration):
            if seconds_left() < INVOCATION_RESERVE_SECONDS:
                return False
        return True
    with connection.transaction():
        connection.execute(migration.text.encode())
        _note_applied(connection, migration)
    return True


def _take_step(connection: psycopg.Connection[TupleRow], migration: _Migration) -> bool:
    """Takes the next step of a migration, in one transaction. Returns whether it was the last one."""
    with connection.transaction():
        found = connection.execute("select position from schema_step where name = %s", [migration.name]).fetchone()
        step = connection.execute(migration.text.encode(), {"position": found[0] if found else None}).fetchone()
        position = step[0] if step else None
        if position is None:
            connection.execute("delete from schema_step where name = %s", [migration.name])
            _note_applied(connection, migration)
        else:
            connection.execute(_KEEP_POSITION, [migration.name, position])
    return position is None


def _note_applied(connection: psycopg.Connection[TupleRow], migration: _Migration) -> None:
    connection.execute(
        "insert into schema_migration (name, sha256) values (%s, %s)", [migration.name, migration.checksum]
    )
