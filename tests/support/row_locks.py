"""Which rows each query locks, as PostgreSQL itself plans it, and what a transaction may do with them.

`Recorder` notes the queries of every transaction that a test session runs. `faults` then finds what can deadlock: rows
locked against the order of docs/architecture.md, and a lock on a row that becomes stronger while a foreign key's share
of the same table is held.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, LiteralString

import psycopg
import pytest

from chalicelib.backends import database
from chalicelib.sql import queries, query
from tests.support.markdown import ROOT, read, rows

_PARAMETER = re.compile(r"%\((\w+)\)s")
_STATEMENT = re.compile(r"^(?:with|select|insert|update|delete|merge)\b", re.IGNORECASE)
_TABLE_LOCK = re.compile(r"^lock table (\w+) in ([\w ]+) mode", re.IGNORECASE)
STRENGTHENING = {"delete_webhook"}
"""Queries that may strengthen a lock: no transaction that shares a webhook's row then waits for that row."""
CHILDLESS = {"remove_import"}
"""Queries that delete only rows to which no row refers, which is one of their conditions. So they lock no others."""
_NAME = re.compile(r"`(\w+)`")


class Strength(IntEnum):
    """How strongly a row is locked. A foreign key's share fits beside all but the strongest."""

    NEW = 0
    """A row that no other transaction can see yet."""
    KEY_SHARE = 1
    NO_KEY_UPDATE = 2
    UPDATE = 3


@dataclass(frozen=True)
class RowLock:
    """The rows of one table that a statement locks."""

    table: str
    strength: Strength


@dataclass(frozen=True)
class Described:
    """The line of a table in docs/architecture.md: the queries that lock its rows, by how many they lock."""

    one: frozenset[str]
    in_order: frozenset[str]
    skipping: frozenset[str]
    shared: frozenset[str]
    """Queries whose new rows refer to a row of this table."""


def described() -> dict[str, Described]:
    """The table in docs/architecture.md. Its lines are in lock order."""
    table = rows(read(ROOT / "docs" / "architecture.md"), "Row locks", "###")
    return {
        _NAME.findall(name)[0]: Described(*(frozenset(_NAME.findall(cell)) for cell in cells)) for name, *cells in table
    }


def locks_of_queries(connection: psycopg.Connection[Any]) -> dict[str, list[RowLock]]:
    """The locks of each query, in the order of its plan. Queries that lock no row are left out."""
    connection.execute(queries()["create_incoming"])
    referenced = _referenced(connection)
    found = {name: list(_locks(connection, name, text, referenced)) for name, text in queries().items()}
    return {name: locks for name, locks in found.items() if locks}


def _locks(
    connection: psycopg.Connection[Any], name: str, text: str, referenced: Mapping[str, set[str]]
) -> Iterator[RowLock]:
    if table := _TABLE_LOCK.match(text.strip()):
        yield RowLock(table[1], Strength.UPDATE)
    elif _STATEMENT.match(text.strip()) and (planned := plan(connection, text)):
        for node in _nodes(planned):
            yield from _locks_of_node(node, text, referenced, is_childless=name in CHILDLESS)


def plan(connection: psycopg.Connection[Any], text: str) -> dict[str, Any] | None:
    """The plan of a query for any parameters; None for a fragment of a query. Raises InsufficientPrivilege."""
    numbers: dict[str, int] = {}
    numbered = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text)
    # A parameter whose type depends on where it is used has to be a null.
    for written in (numbered, _PARAMETER.sub("null", text)):
        try:
            with connection.transaction():
                explained = connection.execute(
                    f"explain (generic_plan, verbose, format json) {written.replace('%%', '%')}".encode()
                ).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            raise
        except psycopg.ProgrammingError:
            continue
        assert explained is not None
        planned: dict[str, Any] = explained[0][0]["Plan"]
        return planned
    return None


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for child in plan.get("Plans", []):
        yield from _nodes(child)
    yield plan


def _locks_of_node(
    node: Mapping[str, Any], text: str, referenced: Mapping[str, set[str]], *, is_childless: bool
) -> Iterator[RowLock]:
    if node["Node Type"] == "LockRows":
        strength = Strength.NO_KEY_UPDATE if "for no key update" in text else Strength.UPDATE
        yield RowLock(next(each["Relation Name"] for each in _nodes(node) if "Relation Name" in each), strength)
    elif node["Node Type"] == "ModifyTable":
        table, operation = node["Relation Name"], node["Operation"]
        if operation == "Delete":
            children = {} if is_childless else referenced
            yield from (RowLock(deleted, Strength.UPDATE) for deleted in _with_children(table, children))
        elif operation in {"Update", "Merge"} or node.get("Conflict Resolution") == "UPDATE":
            yield RowLock(table, Strength.NO_KEY_UPDATE)
        if operation == "Insert":
            yield RowLock(table, Strength.NEW)
            yield from (RowLock(parent, Strength.KEY_SHARE) for parent in sorted(referenced.get(table, ())))


def _with_children(table: str, referenced: Mapping[str, set[str]]) -> Iterator[str]:
    """A table and those whose rows are deleted with its rows. Every foreign key of the project cascades."""
    yield table
    for child in sorted(child for child, parents in referenced.items() if table in parents):
        yield from _with_children(child, referenced)


def _referenced(connection: psycopg.Connection[Any]) -> dict[str, set[str]]:
    """The tables to which each table's foreign keys refer."""
    found: dict[str, set[str]] = {}
    for child, parent in connection.execute(
        "select conrelid::regclass::text, confrelid::regclass::text from pg_constraint where contype = 'f'"
    ):
        found.setdefault(child, set()).add(parent)
    return found


class Recorder:
    """Notes which queries the transactions of this process run, in which order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Watches every transaction from now on."""
        self._begun: list[list[str]] = []
        self._roles: set[tuple[str, str]] = set()
        self._current = threading.local()
        begin = database.Transaction.__init__

        def note(name: str) -> LiteralString:
            self._current.names.append(name)
            self._roles.add((self._current.role, name))
            return query(name)

        def begun(transaction: database.Transaction, cursor: psycopg.Cursor[Any]) -> None:
            begin(transaction, cursor)
            self._current.names = []
            self._current.role = cursor.connection.info.user
            self._begun.append(self._current.names)

        patch.setattr(database, "query", note)
        patch.setattr(database.Transaction, "__init__", begun)

    def transactions(self) -> set[tuple[str, ...]]:
        """The distinct transactions so far, each as the names of its queries."""
        return {tuple(dict.fromkeys(names)) for names in self._begun}

    def of_roles(self) -> set[tuple[str, str]]:
        """The role and the name of each query so far."""
        return set(self._roles)


def faults(transactions: Iterable[Sequence[str]], locks: Mapping[str, list[RowLock]]) -> list[str]:
    """What may deadlock in these transactions, in words."""
    order = list(described())
    return sorted({fault for names in transactions for fault in _faults(names, locks, order)})


def _faults(names: Sequence[str], locks: Mapping[str, list[RowLock]], order: Sequence[str]) -> Iterator[str]:
    held: dict[str, Strength] = {}
    for name in names:
        for lock in locks.get(name, ()):
            if lock.table not in held and lock.strength > Strength.NEW:
                locked = [table for table, strength in held.items() if strength > Strength.NEW]
                if later := [table for table in locked if order.index(table) > order.index(lock.table)]:
                    yield f"{name} locks {lock.table} after {', '.join(later)}, in {' → '.join(names)}"
            weaker = Strength.NEW < held.get(lock.table, lock.strength) < lock.strength
            if weaker and lock.strength == Strength.UPDATE and name not in STRENGTHENING:
                yield f"{name} strengthens a lock of {lock.table}, in {' → '.join(names)}"
            held[lock.table] = max(lock.strength, held.get(lock.table, lock.strength))
