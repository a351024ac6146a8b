"""RDS on this machine: the embedded PostgreSQL with TLS, logins with IAM, and an owner with the rights RDS gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chalicelib.backends.migrations import IAM_ROLE
from chalicelib.backends.roles import FUNCTION_ROLES
from infra.local.aws import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from infra.local.postgres import server
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK, free_port
from tests.cloud.certificates import Authority
from tests.cloud.tls_front import PORT, TlsFront, tls_front
from tests.support.silence import silent


@dataclass(frozen=True)
class Database:
    """`host` is the endpoint, as RDS would return it. `authority` signed its certificate."""

    host: str
    front: TlsFront
    authority: Authority
    superuser_conninfo: str

    def create_owner(self, owner: str) -> None:
        """Creates the owner, who is no superuser and has no password, and gives it the empty database."""
        with psycopg.connect(self.superuser_conninfo, autocommit=True) as connection:
            # The first migration creates the roles of the functions.
            for role in FUNCTION_ROLES:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
            name, admitted = sql.Identifier(owner), sql.Identifier(IAM_ROLE)
            connection.execute(sql.SQL("create role {}").format(admitted))
            connection.execute(sql.SQL("create role {} login createrole createdb").format(name))
            # As for a master user of RDS with the authentication type iam-db-auth.
            connection.execute(sql.SQL("grant {} to {} with admin option").format(admitted, name))
            database = sql.Identifier(server.DATABASE)
            connection.execute(sql.SQL("alter database {} owner to {}").format(database, name))
            # The front has checked the token of a member. Other users need a password, and have none.
            (hba,) = connection.execute("show hba_file").fetchone() or ("",)
            Path(hba).write_text(f"host all +{IAM_ROLE} {LOOPBACK}/32 trust\n{Path(hba).read_text('utf-8')}", "utf-8")
            connection.execute("select pg_reload_conf()")

    def conninfo(self, user: str, **options: Any) -> str:
        """Returns the connection string of a user with a token. By default it requires this server's certificate."""
        session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)
        token = session.client("rds").generate_db_auth_token(self.host, PORT, user)
        return make_conninfo(
            host=self.host,
            port=PORT,
            dbname=server.DATABASE,
            user=user,
            password=token,
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
