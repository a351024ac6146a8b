"""Forward-only SQL migrations, each applied once, in the order of their names.

Libraries were considered: yoyo's lock is a table row that a killed process leaves behind, Alembic brings SQLAlchemy
into every Lambda. What is needed fits one screen and is safe against kills: an advisory lock, one transaction per
file, a checksum.
"""

from __future__ import annotations

import hashlib
from importlib import resources

import psycopg
from psycopg import sql

LOCK_KEY = 0x1A7C_0DE5
"""Any number that nothing else locks: two migrators run one after the other."""
LOCK_SECONDS_MAX = 60
SERVER_VERSION_MIN = 180000


class MigrationError(Exception):
    """The database cannot be migrated; the message says why and what to do."""


def migrate(conninfo: str) -> list[str]:
    """Applies what is missing, as the owner of the database. Returns the names applied. Raises MigrationError."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.info.server_version < SERVER_VERSION_MIN:
            wanted, found = SERVER_VERSION_MIN // 10000, connection.info.server_version // 10000
            raise MigrationError(f"PostgreSQL {wanted} or newer is needed; this is {found}")
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS_MAX}s"])
        connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        connection.execute(
            "create table if not exists schema_migration (name text primary key, sha256 text not null,"
            " applied_at timestamptz not null default now())"
        )
        applied: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
        return [name for name, text in _migrations() if _apply(connection, name, text, applied)]


def ensure_role(conninfo: str, role: str, password: str) -> None:
    """Lets the functions' role log in with this password: makes it, or gives it the password of now."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        known = connection.execute("select from pg_roles where rolname = %s", [role]).fetchone()
        command = sql.SQL(
            "alter role {} login password {}" if known is not None else "create role {} login password {}"
        )
        # Hashed here: a password that the server is sent in clear may stand in its log.
        encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        connection.execute(command.format(sql.Identifier(role), sql.Literal(encrypted.decode())))


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("chalicelib.sql").joinpath("migrations")
    entries = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text("utf-8")) for entry in entries)


def _apply(connection: psycopg.Connection[tuple[str, str]], name: str, text: str, applied: dict[str, str]) -> bool:
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != checksum:
            raise MigrationError(f"{name} was changed after it was applied; undo the change and add a new migration")
        return False
    with connection.transaction():
        connection.execute(text.encode())
        connection.execute("insert into schema_migration (name, sha256) values (%s, %s)", [name, checksum])
    return True
