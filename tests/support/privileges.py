"""What the functions' role may do in the database: as documented, as tried, and as the queries need it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from chalicelib.sql import queries
from tests.support.markdown import ROOT, read, rows
from tests.support.row_locks import plan

ROLE = "importer"
VERBS = ("select", "insert", "update", "delete")
_ALL, _NONE = "yes", "–"
_NAME = re.compile(r"`(\w+)`")
_TRIED = {
    "select": "select {column} from {table} where false",
    "insert": "insert into {table} ({column}) values (default)",
    "update": "update {table} set {column} = default where false",
    "delete": "delete from {table} where false",
}
Privileges = dict[tuple[str, str], frozenset[str]]
"""The columns for each table and verb; a verb that the role may not use at all is left out."""


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
    """The table in docs/architecture.md. It must have a line for every table of the database."""
    lines = {_NAME.findall(name)[0]: cells for name, *cells in _lines() if len(cells) == len(VERBS)}
    assert set(lines) == set(of)
    found = {
        (table, verb): _cell(cell, of[table]) for table in lines for verb, cell in zip(VERBS, lines[table], strict=True)
    }
    return {place: allowed for place, allowed in found.items() if allowed}


def documented_sequences() -> dict[str, tuple[bool, ...]]:
    """Usage, select and update of each sequence in docs/architecture.md."""
    return {
        _NAME.findall(name)[0]: tuple(cell == _ALL for cell in cells)
        for name, *cells in _lines()
        if len(cells) != len(VERBS)
    }


def _lines() -> list[list[str]]:
    return rows(read(ROOT / "docs" / "architecture.md"), "Database privileges", "###")


def _cell(cell: str, of: frozenset[str]) -> frozenset[str]:
    if cell in {_ALL, _NONE}:
        return of if cell == _ALL else frozenset()
    named = frozenset(_NAME.findall(cell))
    assert named < of, cell
    return named


def tried(connection: psycopg.Connection[Any], of: Mapping[str, frozenset[str]]) -> Privileges:
    """What the role can do when it tries each verb on each column."""
    found: Privileges = {}
    for table, verb in product(of, VERBS):
        for column in of[table]:
            statement = sql.SQL(_TRIED[verb]).format(table=sql.Identifier(table), column=sql.Identifier(column))
            if not _is_refused(connection, statement.as_string().encode()):
                found[table, verb] = found.get((table, verb), frozenset()) | {column}
    return found


def _is_refused(connection: psycopg.Connection[Any], statement: bytes) -> bool:
    """Whether the role lacks a privilege for a statement, which is undone. Other errors come after that check."""
    try:
        with _as_role(connection):
            connection.execute(statement)
    except InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False


def refused_queries(connection: psycopg.Connection[Any], names: Iterable[str]) -> Iterator[str]:
    """Those of these queries for which the role lacks a privilege."""
    with _as_role(connection):
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
def _as_role(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Runs the block as the role, and undoes it."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(ROLE)))
        yield
