"""The database as a deployment opens it: the functions' role has its password from a secret, and a proxy in between."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow

from chalicelib.backends import migrations
from chalicelib.backends.database import Database
from infra.local.testing import Services

EXECUTIONS = 12
"""More than psycopg waits for before it prepares a statement."""
SWITCHES = 4
"""Of the planner, which the two queries turn."""


def test_the_role_gets_the_password_of_now(services: Services) -> None:
    role = f"role_{uuid.uuid4().hex[:8]}"
    for password, former in (("it's one", None), ("two\\", "it's one")):
        migrations.ensure_role(services.owner_conninfo, role, password)
        psycopg.connect(make_conninfo(services.owner_conninfo, user=role, password=password)).close()
        if former is not None:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(make_conninfo(services.owner_conninfo, user=role, password=former))
    with psycopg.connect(services.owner_conninfo) as owner:
        owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.mark.parametrize(("pooled", "prepared"), [(True, 0), (False, 1)])
def test_nothing_is_prepared_behind_a_proxy(services: Services, pooled: bool, prepared: int) -> None:
    database = Database(lambda: services.importer_conninfo, pooled=pooled)
    for _ in range(EXECUTIONS):
        with database.transaction() as transaction:
            transaction.cursor.execute("select %s::int", [1])
    found = database.connection().execute("select statement from pg_prepared_statements").fetchall()
    assert len([each for each in found if "::int" in each["statement"]]) == prepared
    database.close()


def test_a_transaction_leaves_nothing_in_the_session(services: Services) -> None:
    # Whoever gets the connection next from the proxy would find it.
    database = Database(services.importer_conninfo, pooled=True)
    with database.transaction() as transaction:
        for name in ("with_indexes", "in_parallel", "next_operation"):
            transaction.run(name)
        assert len(_settings(transaction.cursor)) == SWITCHES
    with database.transaction() as transaction:
        assert _settings(transaction.cursor) == []
    database.close()


def _settings(cursor: psycopg.Cursor[DictRow]) -> list[str]:
    """The settings that were made in the session, beside those it began with."""
    return [each["name"] for each in cursor.execute("select name from pg_settings where source = 'session'").fetchall()]


def test_the_address_is_asked_for_at_every_connection_and_not_before(services: Services) -> None:
    asked: list[int] = []

    def conninfo() -> str:
        asked.append(1)
        return services.importer_conninfo

    database = Database(conninfo)
    assert not asked
    for connections in (1, 2):
        database.connection()
        database.connection()
        assert len(asked) == connections
        database.close()
