"""What each role of the functions may do in the database: as documented, as tried, and as its queries need it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import product
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from chalicelib.backends.roles import FUNCTION_ROLES, ROLES
from chalicelib.sql import queries
from tests.packaging.reached_source import queries_of
from tests.support.markdown import ROOT, read, rows
from tests.support.row_locks import plan

LETTERS = {"s": "select", "i": "insert", "u": "update", "d": "delete", "l": "maintain"}
"""How docs/architecture.md writes privileges; a star after a letter means: only on the columns of the next table."""
_NAME = re.compile(r"`(\w+)`")
_CELL = re.compile(r"([siudl])(\*?)")
_TRIED = {
    "select": "select {column} from {table} where false",
    "insert": "insert into {table} ({column}) values (default)",
    "update": "update {table} set {column} = default where false",
    "delete": "delete from {table} where false",
    "maintain": "lock table {table} in access exclusive mode",
}
Place = tuple[str, str, str]
"""Role, table and verb."""
Privileges = dict[Place, frozenset[str]]
"""The columns for each place; a verb that a role may not use at all is left out."""


@cache
def queries_of_roles() -> Mapping[str, frozenset[str]]:
    """The names of the queries, and parts of queries, that each role needs: those in the source of its functions."""
    modules = {name: "api" if name == "api_handler" else name for name in ROLES}
    return {
        role: frozenset().union(*(queries_of(f"functions.{modules[name]}") for name in ROLES if ROLES[name] == role))
        for role in FUNCTION_ROLES
    }


def columns(connection: psycopg.Connection[Any]) -> dict[str, frozenset[str]]:
    """The columns of every table of the project."""
    return {
        str(table): frozenset(names)
        for table, names in connection.execute(
            "select c.relname, array_agg(a.attname::text) from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'f')"
            " and a.attnum > 0 and not a.attisdropped group by c.oid"
        )
    }


def documented(of: Mapping[str, frozenset[str]]) -> Privileges:
    """The tables in docs/architecture.md. The first must have a line for every table of the database."""
    lines = {table: cells for table, *cells in _lines(1 + len(FUNCTION_ROLES))}
    assert set(lines) == set(of)
    only = {(role, table, LETTERS[letter]): names for table, role, letter, names in _lines(4)}
    found: Privileges = {}
    for (table, cells), (at, role) in product(lines.items(), enumerate(_roles())):
        for letter, star in _CELL.findall(cells[at]):
            place = (role, table, LETTERS[letter])
            found[place] = frozenset(_NAME.findall(only.pop(place))) if star else of[table]
            assert not star or found[place] < of[table], place
    assert only == {}, "columns of a privilege without a star"
    return found


def documented_users() -> dict[str, frozenset[str]]:
    """The roles that may use each sequence and each function of the owner, in docs/architecture.md."""
    return {name: frozenset(_NAME.findall(roles)) for name, roles in _lines(2)}


def _roles() -> list[str]:
    header = re.search(r"^\| table \|(( `\w+` \|)+)$", read(ROOT / "docs" / "architecture.md"), re.MULTILINE)
    assert header is not None
    names = _NAME.findall(header[1])
    assert sorted(names) == list(FUNCTION_ROLES)
    return names


def _lines(width: int) -> list[list[str]]:
    """The lines of the tables with this number of columns. Names in the cells but the last have no marks."""
    found = rows(read(ROOT / "docs" / "architecture.md"), "Database privileges", "###")
    return [[*(cell.strip("`") for cell in cells[:-1]), cells[-1]] for cells in found if len(cells) == width]


def tried(connection: psycopg.Connection[Any], of: Mapping[str, frozenset[str]]) -> Privileges:
    """What each role can do when it tries each verb on each column of each table."""
    found: Privileges = {}
    for role in FUNCTION_ROLES:
        with as_role(connection, role):
            for table, (verb, text) in product(of, _TRIED.items()):
                for column in of[table]:
                    statement = sql.SQL(text).format(table=sql.Identifier(table), column=sql.Identifier(column))
                    if not _is_refused(connection, statement.as_string().encode()):
                        place = (role, table, verb)
                        found[place] = found.get(place, frozenset()) | {column}
    # Who may change or delete rows of a whole table may lock it, too.
    more = {place for place in found if place[2] == "maintain" and not _maintains(connection, place)}
    return {place: names for place, names in found.items() if place not in more}


def _maintains(connection: psycopg.Connection[Any], place: Place) -> bool:
    row = connection.execute("select has_table_privilege(%s, %s, %s)", place).fetchone()
    return row == (True,)


def _is_refused(connection: psycopg.Connection[Any], statement: bytes) -> bool:
    """Whether a privilege is missing for a statement, which is undone. Other errors come after that check."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False


def refused_queries(connection: psycopg.Connection[Any], role: str, names: Iterable[str]) -> Iterator[str]:
    """Those of these queries for which a role lacks a privilege."""
    with as_role(connection, role):
        if "create_incoming" in queries_of_roles()[role]:
            connection.execute(queries()["create_incoming"])
        for name in names:
            if _is_refused_query(connection, queries()[name]):
                yield name


def _is_refused_query(connection: psycopg.Connection[Any], text: str) -> bool:
    if text.startswith("lock table"):
        return _is_refused(connection, text.encode())
    try:
        plan(connection, text)  # PostgreSQL checks privileges before it shows a plan
    except InsufficientPrivilege:
        return True
    return False


@contextmanager
def as_role(connection: psycopg.Connection[Any], role: str) -> Iterator[None]:
    """Runs the block as a role, and undoes it."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield
