"""The database as in a deployment: the functions' role has a password from a secret, and a proxy is in between."""

from __future__ import annotations

import uuid
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row

from chalicelib.backends import migrations
from chalicelib.backends.database import Database
from infra.local.testing import Services
from tests.support.concurrency import together

EXECUTIONS = 12
"""More than the number after which psycopg prepares a statement."""
SESSION_SETTINGS = "select name from pg_settings where source = 'session'"
"""The settings that the session changed since it began."""
ROUNDS = 10
SWITCHES = 5
"""How many settings of the planner the two queries change."""


def test_the_role_gets_the_current_password(services: Services) -> None:
    role = f"role_{uuid.uuid4().hex[:8]}"
    for password, former in (("it's one", None), ("two\\", "it's one")):
        migrations.ensure_role(services.owner_conninfo, role, password)
        psycopg.connect(make_conninfo(services.owner_conninfo, user=role, password=password)).close()
        if former is not None:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(make_conninfo(services.owner_conninfo, user=role, password=former))
    with psycopg.connect(services.owner_conninfo) as owner:
        owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_the_limits_that_a_role_changed_are_restored(services: Services) -> None:
    role = f"role_{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        migrations.ensure_role(services.owner_conninfo, role, "one")
        conninfo = make_conninfo(services.owner_conninfo, user=role, password="one")
        with psycopg.connect(conninfo, autocommit=True) as own:
            found = [own.execute("select current_setting(%s)", [name]).fetchone() for name in migrations.ROLE_SETTINGS]
            assert found == [("1min",), ("30s",), ("5s",), ("UTC",)]
            own.execute(f"alter role {role} set statement_timeout = 0".encode())
            own.execute(f"alter role {role} in database importer set idle_in_transaction_session_timeout = 0".encode())
    with psycopg.connect(services.owner_conninfo) as owner:
        owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_a_role_without_a_password_logs_in_with_a_token_of_iam_only(services: Services) -> None:
    role = f"role_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute("create role rds_iam")  # RDS has it.
        try:
            migrations.ensure_role(services.owner_conninfo, role, "before")
            migrations.ensure_role(services.owner_conninfo, role, None)
            found = owner.execute(
                "select rolcanlogin, rolpassword, pg_has_role(rolname, 'rds_iam', 'member') from pg_authid"
                " where rolname = %s",
                [role],
            ).fetchone()
            assert found == (True, None, True)
        finally:
            owner.execute(f"drop role {role}, rds_iam".encode())


def test_databases_of_one_server_create_and_change_a_role_at_once(services: Services) -> None:
    for _ in range(ROUNDS):
        role = f"role_{uuid.uuid4().hex[:8]}"
        together(*[lambda role=role: migrations.ensure_role(services.owner_conninfo, role, "x")] * 3)
        with psycopg.connect(services.owner_conninfo) as owner:
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.mark.parametrize(("pooled", "prepared"), [(True, 0), (False, 1)])
def test_no_statement_is_prepared_through_a_proxy(services: Services, pooled: bool, prepared: int) -> None:
    database = Database(lambda: services.together_conninfo, pooled=pooled)
    for _ in range(EXECUTIONS):
        with database.transaction() as transaction:
            transaction.cursor.execute("select %s::int", [1])
    statements = _column(database, "select statement from pg_prepared_statements")
    assert len([each for each in statements if "::int" in each]) == prepared
    database.close()


def test_a_transaction_leaves_nothing_in_the_session(services: Services) -> None:
    # The next user of the connection would get it from the proxy.
    database = Database(services.together_conninfo, pooled=True)
    with database.transaction() as transaction:
        for name in ("with_indexes", "in_parallel", "next_operation"):
            transaction.run(name)
        assert len(_column(database, SESSION_SETTINGS)) == SWITCHES
    with database.transaction():
        assert _column(database, SESSION_SETTINGS) == []
    database.close()


def _column(database: Database, statement: LiteralString) -> list[str]:
    """Runs a statement on the open connection, inside its transaction if there is one. Returns its only column."""
    return database.connection().cursor(row_factory=scalar_row).execute(statement).fetchall()


def test_the_address_is_read_for_every_connection_and_not_before(services: Services) -> None:
    reads: list[int] = []

    def conninfo() -> str:
        reads.append(1)
        return services.together_conninfo

    database = Database(conninfo)
    assert not reads
    for connections in (1, 2):
        database.connection()
        database.connection()
        assert len(reads) == connections
        database.close()
