"""RDS on this machine: the embedded PostgreSQL with TLS, and an owner with the same rights as on RDS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chalicelib.backends.roles import FUNCTION_ROLES
from infra.local.postgres import server
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import free_port
from tests.cloud.certificates import Authority
from tests.cloud.tls_front import PORT, TlsFront, tls_front
from tests.support.silence import silent


@dataclass(frozen=True)
class Database:
    """`host` is the endpoint, as RDS would return it. `authority` signed its certificate."""

    host: str
    front: TlsFront
    authority: Authority
    _superuser_conninfo: str

    def create_owner(self, owner: dict[str, str]) -> None:
        """Creates the owner that the secret names, who is no superuser, and gives it the empty database."""
        with psycopg.connect(self._superuser_conninfo, autocommit=True) as connection:
            # The first migration creates the roles of the functions.
            for role in FUNCTION_ROLES:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
            name = sql.Identifier(owner["username"])
            connection.execute(
                sql.SQL("create role {} login createrole createdb password {}").format(
                    name, sql.Literal(owner["password"])
                )
            )
            database = sql.Identifier(server.DATABASE)
            connection.execute(sql.SQL("alter database {} owner to {}").format(database, name))

    def conninfo(self, user: dict[str, str], **options: Any) -> str:
        """Returns the connection string of a user. By default it requires TLS and this server's certificate."""
        return make_conninfo(
            host=self.host,
            port=PORT,
            dbname=server.DATABASE,
            user=user["username"],
            password=user["password"],
            **{"sslmode": "verify-full", "sslrootcert": str(self.authority.file), **options},
        )


@contextmanager
def database(directory: Path, logbook: LogBook) -> Iterator[Database]:
    """Runs the database until the block ends. Raises PostgresFailed."""
    authority = Authority(directory, "RDS")
    server = Postgres(directory, free_port(), logbook, silent)
    try:
        server.wait_ready()
        with tls_front(server.port, lambda address: authority.certificate(address).server_context()) as front:
            yield Database(front.address, front, authority, server.owner_conninfo)
    finally:
        server.stop()
