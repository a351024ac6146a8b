"""The function `migrate` in a deployment: before and after the functions are replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chalicelib.backends import migrations
from chalicelib.backends.roles import FUNCTION_ROLES
from chalicelib.settings import read
from infra.local.lambda_.context import LambdaContext
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import free_port
from tests.support.silence import silent

if TYPE_CHECKING:
    from infra.local.testing import Services

PASSWORD = "of the former version"
OLD_QUERY = "update api_token set last_used_at = now() where sha256 = 'x' and revoked_at is null"
"""What the former version did as the role `importer`, which now only another role may do."""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[str]:
    """A database of the version before the roles, with the role that RDS has for the members that IAM lets in."""
    os.chmod(tmp_path, 0o755)  # PostgreSQL's own user must get in, when root runs this.  # noqa: PTH101
    logbook = LogBook(tmp_path / "logs")
    server = Postgres(tmp_path, free_port(), logbook, silent, power_may_fail=False)
    try:
        server.wait_ready()
        with psycopg.connect(server.owner_conninfo) as connection:
            connection.execute(f"drop role {', '.join({*FUNCTION_ROLES} - {'importer'})}".encode())
            connection.execute(f"alter role importer password '{PASSWORD}'".encode())
            connection.execute("create role rds_iam")
        every = migrations._migrations
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_migrations", lambda: [each for each in every() if each[0] < "0012"])
            migrations.migrate(server.owner_conninfo)
        yield server.owner_conninfo
    finally:
        server.stop()
        logbook.close()


def _members(owner: str) -> set[str]:
    """The roles that log in with a token of IAM."""
    with psycopg.connect(owner) as connection:
        found = connection.execute("select rolname from pg_roles where pg_has_role(oid, 'rds_iam', 'member')")
        return {name for (name,) in found if name in FUNCTION_ROLES}


def _use_a_token(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(OLD_QUERY)


def test_the_old_code_works_until_it_is_replaced(
    services: Services, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import app  # It reads the environment.

    environment = {"STAGE": "dev", "FILES_BUCKET": services.bucket, "OWNER_DATABASE_URL": owner}
    monkeypatch.setattr("functions.migrate.settings", lambda: read(environment))
    old_code = make_conninfo(owner, user="importer", password=PASSWORD)
    _use_a_token(old_code)

    def migrate(event: dict[str, Any]) -> list[str]:
        migrated: dict[str, Any] = app.migrate(event, LambdaContext("migrate", 256, "test", "test", 30))
        assert migrated["finished"]
        applied: list[str] = migrated["applied"]
        return applied

    before = migrate({"contract": False})
    _use_a_token(old_code)
    assert _members(owner) == {*FUNCTION_ROLES} - {"importer"}

    after = migrate({})
    assert _members(owner) == {*FUNCTION_ROLES}
    assert [each for each in before if each.endswith(migrations.CONTRACT)] == []
    assert {each for each in after if not each.endswith(migrations.CONTRACT)} == set()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _use_a_token(old_code)
    assert migrate({}) == migrate({"contract": False}) == []
