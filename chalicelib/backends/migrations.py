"""Forward-only SQL migrations, each applied once, in the order of their names.

A file whose name ends in `_contract.sql` takes away what the code before it still uses. A deployment applies it only
after all functions have been replaced; everywhere else it is one of the files in their order.

Libraries were considered: yoyo's lock is a table row that a killed process leaves behind, and Alembic would add
SQLAlchemy to every Lambda. What we need fits on one screen and survives kills: an advisory lock, one transaction per
file, a checksum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import resources

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from chalicelib.errors import ImporterError
from chalicelib.limits import (
    IDLE_IN_TRANSACTION_SECONDS_MAX,
    LOCK_WAIT_SECONDS_MAX,
    ROLE_ATTEMPTS_MAX,
    STATEMENT_SECONDS_MAX,
)

LOCK_KEY = 0x1A7C_0DE5
"""Any number that nothing else locks. It makes two migrators run one after the other."""
LOCK_SECONDS_MAX = 60
SERVER_VERSION_MIN = 180000
CONTRACT = "_contract.sql"
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


class MigrationError(ImporterError):
    """The database cannot be migrated; the message says why and what to do."""


def migrate(conninfo: str, *, contract: bool = True) -> list[str]:
    """Applies the missing migrations as the owner of the database. Returns their names. Raises MigrationError.

    The roles of the functions must exist. With contract=False, the code of before can still use the result.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.info.server_version < SERVER_VERSION_MIN:
            needed, present = SERVER_VERSION_MIN // 10000, connection.info.server_version // 10000
            raise MigrationError(f"PostgreSQL {needed} or newer is required; this is {present}")
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS_MAX}s"])
        connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        connection.execute(
            "create table if not exists schema_migration (name text primary key, sha256 text not null,"
            " applied_at timestamptz not null default now())"
        )
        applied: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
        wanted = [each for each in _migrations() if contract or not each[0].endswith(CONTRACT)]
        return [name for name, text in wanted if _apply(connection, name, text, applied)]


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


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("chalicelib.sql").joinpath("migrations")
    entries = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text("utf-8")) for entry in entries)


def _apply(connection: psycopg.Connection[tuple[str, str]], name: str, text: str, applied: dict[str, str]) -> bool:
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != checksum:
            raise MigrationError(f"{name} was changed after it was applied. Undo the change and add a new migration")
        return False
    with connection.transaction():
        connection.execute(text.encode())
        connection.execute("insert into schema_migration (name, sha256) values (%s, %s)", [name, checksum])
    return True
