"""Each role can do what its queries do, and nothing else: compared with docs/architecture.md by trying."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from chalicelib.backends import migrations
from chalicelib.backends.roles import FUNCTION_ROLES
from chalicelib.sql import queries
from infra.local.testing import Services
from tests.support.pipeline import Pipeline
from tests.support.privileges import (
    Place,
    columns,
    documented,
    documented_users,
    queries_of_roles,
    refused_queries,
    tried,
)

OWNER_ONLY = {"install_token"}
"""Installs the token of a local start, which the owner does."""
NEVER = ("truncate", "references", "trigger")


@pytest.fixture
def owner(services: Services) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner. What a test does with it is undone."""
    with psycopg.connect(services.owner_conninfo) as connection, connection.transaction(force_rollback=True):
        yield connection


def test_each_role_can_do_what_is_documented(owner: psycopg.Connection[Any]) -> None:
    of = columns(owner)
    assert tried(owner, of) == documented(of)


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_no_role_can_do_anything_else_with_a_table(owner: psycopg.Connection[Any], role: str) -> None:
    for table in columns(owner):
        for verb in NEVER:
            row = owner.execute("select has_table_privilege(%s, %s, %s)", [role, table, verb]).fetchone()
            assert row == (False,), f"{verb} {table}"


def test_roles_take_numbers_only_where_it_is_documented(owner: psycopg.Connection[Any]) -> None:
    found: dict[str, set[str]] = {}
    for name, role, usage, read, set_ in owner.execute(
        "select c.relname, r.rolname, has_sequence_privilege(r.oid, c.oid, 'usage'),"
        " has_sequence_privilege(r.oid, c.oid, 'select'), has_sequence_privilege(r.oid, c.oid, 'update')"
        " from pg_class c, pg_roles r where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace"
        " and r.rolname = any(%s)",
        [list(FUNCTION_ROLES)],
    ):
        assert not read
        assert not set_
        found.setdefault(name, set()).update([role] if usage else [])
    functions = _functions_of_the_owner(owner)
    assert found == {name: roles for name, roles in documented_users().items() if name not in functions}


def test_functions_with_the_privileges_of_the_owner_are_run_only_where_it_is_documented(
    owner: psycopg.Connection[Any],
) -> None:
    functions, users = _functions_of_the_owner(owner), documented_users()
    assert functions == {name: users[name] for name in functions}
    owner.execute("create role another")
    everyone = owner.execute(
        "select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        " and has_function_privilege('another', oid, 'execute')"
    )
    assert everyone.fetchall() == []


def _functions_of_the_owner(owner: psycopg.Connection[Any]) -> dict[str, set[str]]:
    """The functions that run with the privileges of the owner, and the roles that may run them."""
    found = owner.execute(
        "select p.proname, array_remove(array_agg(r.rolname::text), null) from pg_proc p left join pg_roles r"
        " on r.rolname = any(%s) and has_function_privilege(r.oid, p.oid, 'execute')"
        " where p.prosecdef and p.pronamespace = 'public'::regnamespace group by p.proname",
        [list(FUNCTION_ROLES)],
    ).fetchall()
    return {str(name): set(roles) for name, roles in found}


def test_no_other_role_has_a_privilege_and_new_tables_grant_none(owner: psycopg.Connection[Any]) -> None:
    granted = owner.execute(
        "select distinct acl.grantee::regrole::text, acl.is_grantable from pg_class c, aclexplode(c.relacl) acl"
        " where c.relnamespace = 'public'::regnamespace and acl.grantee <> c.relowner union"
        " select distinct acl.grantee::regrole::text, acl.is_grantable from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) acl"
        " where c.relnamespace = 'public'::regnamespace order by 1"
    ).fetchall()
    assert granted == [(role, False) for role in FUNCTION_ROLES]
    assert owner.execute("select * from pg_default_acl").fetchall() == []
    owner.execute("create table later (id integer)")
    for role in FUNCTION_ROLES:
        row = owner.execute(
            "select has_table_privilege(%s, 'later', 'select, insert, update, delete, maintain')", [role]
        ).fetchone()
        assert row == (False,)


def test_only_the_importer_creates_temporary_tables(owner: psycopg.Connection[Any]) -> None:
    found = owner.execute(
        "select rolname from pg_roles where has_database_privilege(oid, current_database(), 'temporary')"
        " and rolname = any(%s)",
        [list(FUNCTION_ROLES)],
    ).fetchall()
    assert found == [("importer",)]


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_each_role_can_run_its_queries(owner: psycopg.Connection[Any], role: str) -> None:
    assert list(refused_queries(owner, role, sorted(queries_of_roles()[role]))) == []


def test_every_query_belongs_to_a_role() -> None:
    """Parts of queries belong to those in which they are."""
    used = {queries()[name] for names in queries_of_roles().values() for name in names}
    assert {name for name, text in queries().items() if not any(text in other for other in used)} == OWNER_ONLY


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_every_privilege_is_needed_by_a_query(owner: psycopg.Connection[Any], role: str) -> None:
    of = columns(owner)
    needed = [
        grant for place, names in documented(of).items() if place[0] == role for grant in _grants(place, names, of)
    ]
    assert needed
    assert [grant for grant in needed if not _is_needed(owner, role, *grant)] == []


def _grants(place: Place, names: frozenset[str], of: dict[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Table and privilege, for each that can be revoked alone."""
    _, table, verb = place
    if names == of[table]:
        yield table, verb
    else:
        yield from ((table, f"{verb} ({name})") for name in sorted(names))


def _is_needed(owner: psycopg.Connection[Any], role: str, table: str, privilege: str) -> bool:
    names = sorted(name for name in queries_of_roles()[role] if table in queries()[name])
    with owner.transaction(force_rollback=True):
        owner.execute(f"revoke {privilege} on {table} from {role}".encode())
        return next(refused_queries(owner, role, names), None) is not None


ATTACKS = (
    "insert into api_token (name, sha256, scopes) values ('x', decode(repeat('00', 32), 'hex'), '{admin}')",
    "update api_token set revoked_at = null",
    "update api_token set scopes = '{admin}'",
    "update api_token set sha256 = decode(repeat('00', 32), 'hex')",
    "delete from api_token",
    "truncate api_token cascade",
    "lock table api_token in access exclusive mode",
    "select * from api_token",
    "select * from schema_migration",
    "update schema_migration set sha256 = ''",
    "delete from schema_migration where name like '0001%'",
    "insert into schema_migration (name, sha256) values ('9999_later.sql', '')",
    "select setval('operation', 1)",
    "truncate product",
    "drop table product",
    "alter table api_token disable trigger all",
    "create table mine ()",
    "create function mine() returns integer language sql return 1",
    "grant select on schema_migration to public",
    "set role postgres",
    "set role token_manager",
    "create role mine",
    "alter role importer createrole",
    "alter default privileges for role postgres grant insert on tables to importer",
)
OWN = ("insert into api_token", "update api_token set revoked_at", "lock table api_token", "set role token_manager")
"""How the attacks begin that only `token_manager` can carry out: they are what it is for."""


@pytest.mark.parametrize("role", FUNCTION_ROLES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_with_the_password_of_a_function_is_refused(
    services: Services, whole_pipeline: Pipeline, role: str, attack: str
) -> None:
    if role == "token_manager" and attack.startswith(OWN):
        return
    before = _tokens_and_ledger(whole_pipeline)
    with psycopg.connect(services.conninfos[role]) as taken_over, pytest.raises(InsufficientPrivilege):
        taken_over.execute(attack.encode())
    assert _tokens_and_ledger(whole_pipeline) == before


def _tokens_and_ledger(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.sql("select t::text from api_token t union all select m::text from schema_migration m order by 1")


@pytest.fixture
def other_database(services: Services) -> Iterator[str]:
    """Another database of the same server, without our schema."""
    name = f"other_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(services.owner_conninfo, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        yield make_conninfo(services.owner_conninfo, dbname=name)
        connection.execute(f"drop database {name} with (force)".encode())


def test_a_deployment_takes_privileges_away_only_after_it_has_replaced_the_functions(
    services: Services, other_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations._migrations
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_migrations", lambda: [each for each in every() if each[0] < "0012"])
        migrations.migrate(other_database)
    before = _granted(other_database)
    assert {role for role, *_ in before} == {"importer"}

    migrations.migrate(other_database, contract=False)
    assert before < _granted(other_database)

    assert all(name.endswith(migrations.CONTRACT) for name in migrations.migrate(other_database))
    assert _granted(other_database) == _granted(services.owner_conninfo)
    assert migrations.migrate(other_database) == []


def _granted(conninfo: str) -> set[tuple[str, ...]]:
    """Role, table or sequence, column or nothing, and privilege, of everything that is granted."""
    with psycopg.connect(conninfo) as connection:
        return set(
            connection.execute(
                "select acl.grantee::regrole::text, c.relname::text, '', acl.privilege_type"
                " from pg_class c, aclexplode(c.relacl) acl"
                " where c.relnamespace = 'public'::regnamespace and acl.grantee <> c.relowner union all"
                " select acl.grantee::regrole::text, c.relname::text, a.attname::text, acl.privilege_type"
                " from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) acl"
                " where c.relnamespace = 'public'::regnamespace"
            ).fetchall()
        )
