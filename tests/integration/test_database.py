"""What a transaction makes of rows, on real PostgreSQL: dataclasses, single values, and errors for anything else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
import pytest

from chalicelib.backends.database import Database, Transaction, UnexpectedRows
from chalicelib.sql import queries
from infra.local.testing import Services

EXAMPLE_ID = uuid.UUID("019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d")
QUERIES = {
    "example_rows": "select n, 'row ' || n as text, n * 2 as unused from generate_series(1, %(count)s) n order by n",
    "example_types": f"""
        select '{EXAMPLE_ID}'::uuid as id, '2026-11-24 10:30:00+01'::timestamptz as at, null::text as note,
            '{{"a": [1]}}'::jsonb as content""",
    "example_number": "select %(number)s::bigint where %(found)s",
    "example_null": "select null::bigint",
    "example_two_columns": "select 1, 2",
    "example_first_part": "select n, 'row ' || n as text",
    "example_second_part": "from generate_series(1, %(count)s) n",
    "example_unnamed": "create temporary table example (n int) on commit drop",
}


@dataclass(frozen=True)
class Example:
    """Two of the three columns, in another order than the query's."""

    text: str
    n: int
    computed: str = field(init=False, default="by the class")


@dataclass(frozen=True)
class Number:
    """One column."""

    n: int


@dataclass(frozen=True)
class Types:
    """What PostgreSQL's types become."""

    id: uuid.UUID
    at: datetime
    note: str | None
    content: dict[str, list[int]]


@dataclass(frozen=True)
class Misspelt:
    """A field without a column."""

    n: int
    txet: str


@pytest.fixture
def transaction(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transaction]:
    """A transaction that knows the queries above, beside the project's own."""
    for name, text in QUERIES.items():
        monkeypatch.setitem(queries(), name, text)
    database = Database(services.together_conninfo)
    with database.transaction() as begun:
        yield begun
    database.close()


def test_rows_become_dataclasses_by_the_names_of_their_columns(transaction: Transaction) -> None:
    assert transaction.all("example_rows", Example, count=2) == [Example("row 1", 1), Example("row 2", 2)]
    assert transaction.all("example_rows", Number, count=2) == [Number(1), Number(2)]
    assert transaction.all("example_rows", Example, count=0) == []
    assert transaction.one("example_rows", Example, count=2) == Example("row 1", 1)
    assert transaction.one("example_rows", Example, count=0) is None
    parts = ["example_first_part", "example_second_part"]
    assert transaction.composed(parts, Example, count=1) == [Example("row 1", 1)]


def test_values_have_the_types_of_python(transaction: Transaction) -> None:
    found = transaction.row("example_types", Types)
    assert found == Types(EXAMPLE_ID, datetime(2026, 11, 24, 9, 30, tzinfo=UTC), None, {"a": [1]})


def test_a_field_without_a_column_is_an_error_that_names_both(transaction: Transaction) -> None:
    with pytest.raises(LookupError, match="Misspelt needs the columns txet; there are n, text, unused"):
        transaction.all("example_rows", Misspelt, count=1)
    # Also where no row would show it.
    with pytest.raises(LookupError):
        transaction.one("example_rows", Misspelt, count=0)


def test_a_statement_without_rows_cannot_fill_a_dataclass(transaction: Transaction) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="didn't produce"):
        transaction.one("example_unnamed", Number)


@pytest.mark.parametrize(("count", "said"), [(0, "no row"), (2, "more than one row")])
def test_row_wants_exactly_one(transaction: Transaction, count: int, said: str) -> None:
    assert transaction.row("example_rows", Example, count=1) == Example("row 1", 1)
    with pytest.raises(UnexpectedRows, match=f"example_rows returned {said}"):
        transaction.row("example_rows", Example, count=count)


def test_value_wants_one_row_with_one_column_of_its_type(transaction: Transaction) -> None:
    assert transaction.value("example_number", int, number=7, found=True) == 7
    with pytest.raises(UnexpectedRows, match="example_number returned no row"):
        transaction.value("example_number", int, number=7, found=False)
    with pytest.raises(UnexpectedRows, match="example_rows returned more than one row"):
        transaction.value("example_rows", int, count=2)
    with pytest.raises(UnexpectedRows, match="example_two_columns returned 2 columns"):
        transaction.value("example_two_columns", int)
    with pytest.raises(UnexpectedRows, match="example_null returned a value of type NoneType, not int"):
        transaction.value("example_null", int)
    with pytest.raises(UnexpectedRows, match="example_number returned a value of type int, not str"):
        transaction.value("example_number", str, number=7, found=True)


def test_exists_asks_for_any_row(transaction: Transaction) -> None:
    assert transaction.exists("example_rows", count=1)
    assert transaction.exists("example_rows", count=3)
    assert not transaction.exists("example_rows", count=0)


def test_one_cursor_serves_all_shapes_in_turn(transaction: Transaction) -> None:
    assert transaction.value("example_number", int, number=1, found=True) == 1
    assert transaction.row("example_rows", Number, count=1) == Number(1)
    transaction.run("add_event", dedupe_key=str(uuid.uuid4()), type="test", payload=json.dumps({}))
    assert transaction.exists("example_rows", count=1)
    assert transaction.all("example_rows", Example, count=1) == [Example("row 1", 1)]
