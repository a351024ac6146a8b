"""The functions' role can do what its queries do, and nothing else: compared with docs/architecture.md by trying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from chalicelib.sql import queries
from infra.local.testing import Services
from tests.support.pipeline import Pipeline
from tests.support.privileges import (
    ROLE,
    columns,
    documented,
    documented_sequences,
    refused_queries,
    tried,
)

OWNER_ONLY = {"revoke_tokens", "install_token", "lock_tokens", "add_token"}
"""The queries that write tokens, which the role cannot run. Those that only read them read what lists show."""
NEVER = ("truncate", "references", "trigger", "maintain")


@pytest.fixture
def owner(services: Services) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner. What a test does with it is undone."""
    with psycopg.connect(services.owner_conninfo) as connection, connection.transaction(force_rollback=True):
        yield connection


def test_the_role_can_do_what_is_documented(owner: psycopg.Connection[Any]) -> None:
    of = columns(owner)
    assert tried(owner, of) == documented(of)


def test_the_role_can_do_nothing_else_with_a_table(owner: psycopg.Connection[Any]) -> None:
    for table in columns(owner):
        for verb in NEVER:
            row = owner.execute("select has_table_privilege(%s, %s, %s)", [ROLE, table, verb]).fetchone()
            assert row == (False,), f"{verb} {table}"


def test_the_role_takes_numbers_only_where_it_is_documented(owner: psycopg.Connection[Any]) -> None:
    found = owner.execute(
        "select relname, has_sequence_privilege(%(role)s, oid, 'usage'),"
        " has_sequence_privilege(%(role)s, oid, 'select'), has_sequence_privilege(%(role)s, oid, 'update')"
        " from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace",
        {"role": ROLE},
    ).fetchall()
    assert {name: tuple(allowed) for name, *allowed in found} == documented_sequences()


def test_no_other_role_has_a_privilege_and_new_tables_grant_none(owner: psycopg.Connection[Any]) -> None:
    granted = owner.execute(
        "select distinct acl.grantee::regrole::text from pg_class c, aclexplode(c.relacl) acl"
        " where c.relnamespace = 'public'::regnamespace and acl.grantee <> c.relowner"
    ).fetchall()
    assert granted == [(ROLE,)]
    assert owner.execute("select * from pg_default_acl").fetchall() == []
    owner.execute("create table later (id integer)")
    row = owner.execute("select has_table_privilege(%s, 'later', 'select, insert, update, delete')", [ROLE]).fetchone()
    assert row == (False,)


def test_the_role_can_run_every_query_but_those_that_write_tokens(owner: psycopg.Connection[Any]) -> None:
    assert set(refused_queries(owner, queries())) == OWNER_ONLY


def test_every_privilege_is_needed_by_a_query(owner: psycopg.Connection[Any]) -> None:
    of = columns(owner)
    needed = list(_grants(documented(of), of))
    assert [grant for grant in needed if not _is_needed(owner, *grant)] == []


def _grants(allowed: dict[tuple[str, str], frozenset[str]], of: dict[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Table and privilege, for each that can be revoked alone."""
    for (table, verb), names in allowed.items():
        if names == of[table]:
            yield table, verb
        else:
            yield from ((table, f"{verb} ({name})") for name in sorted(names))


def _is_needed(owner: psycopg.Connection[Any], table: str, privilege: str) -> bool:
    names = sorted(name for name, text in queries().items() if table in text and name not in OWNER_ONLY)
    with owner.transaction(force_rollback=True):
        owner.execute(f"revoke {privilege} on {table} from {ROLE}".encode())
        return next(refused_queries(owner, names), None) is not None


@pytest.mark.parametrize(
    "attack",
    [
        "insert into api_token (name, sha256, scopes) values ('x', decode(repeat('00', 32), 'hex'), '{admin}')",
        "update api_token set revoked_at = null",
        "update api_token set scopes = '{admin}'",
        "update api_token set sha256 = decode(repeat('00', 32), 'hex')",
        "delete from api_token",
        "truncate api_token cascade",
        "lock table api_token in access exclusive mode",
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
        "grant insert on api_token to importer",
        "set role postgres",
        "alter role importer createrole",
        "alter default privileges for role postgres grant insert on tables to importer",
    ],
)
def test_an_attack_with_the_functions_password_is_refused(
    services: Services, whole_pipeline: Pipeline, attack: str
) -> None:
    before = _tokens_and_ledger(whole_pipeline)
    with psycopg.connect(services.importer_conninfo) as taken_over, pytest.raises(InsufficientPrivilege):
        taken_over.execute(attack.encode())
    assert _tokens_and_ledger(whole_pipeline) == before


def _tokens_and_ledger(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.sql("select t::text from api_token t union all select m::text from schema_migration m order by 1")
