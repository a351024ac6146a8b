"""Every query returns a column for each field of its dataclass: real PostgreSQL describes it, without running it.

mypy sees a misspelt use of a field. What it cannot see is a field that the query does not return.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import ExecStatus

from chalicelib.sql import queries
from infra.local.testing import Services

ROOT = Path(__file__).parents[2]
METHODS = {"one", "row", "all"}


def _calls() -> Iterator[tuple[str, str, type]]:
    """Module, query and dataclass of each call that spells out both."""
    for file in sorted((ROOT / "chalicelib").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=method),
                    args=[ast.Constant(value=str(name)), ast.Name(id=kind), *_],
                ) if method in METHODS and kind != "tuple":
                    yield module, name, getattr(importlib.import_module(module), kind)


def _columns(connection: psycopg.Connection, name: str) -> list[str]:
    """The columns of a query, as the server describes it."""
    numbers: dict[str, int] = {}
    text = re.sub(
        r"%\((\w+)\)s", lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", queries()[name]
    ).replace("%%", "%")
    prepared = connection.pgconn.prepare(b"", text.encode())
    assert prepared.status == ExecStatus.COMMAND_OK, f"{name}: {prepared.error_message.decode()}"
    described = connection.pgconn.describe_prepared(b"")
    return [(described.fname(number) or b"").decode() for number in range(described.nfields)]


CALLS = sorted(set(_calls()), key=lambda call: call[:2])


def test_most_queries_are_compared() -> None:
    assert len(CALLS) > 50


@pytest.mark.parametrize(("module", "name", "kind"), CALLS, ids=[f"{module}:{name}" for module, name, _ in CALLS])
def test_a_query_returns_every_field_of_its_dataclass(services: Services, module: str, name: str, kind: type) -> None:
    assert dataclasses.is_dataclass(kind), f"{module} fills {kind}, which is no dataclass"
    fields = {each.name for each in dataclasses.fields(kind) if each.init}
    with psycopg.connect(services.owner_conninfo) as connection:
        connection.execute(queries()["create_incoming"])
        assert fields - set(_columns(connection, name)) == set(), f"{name} returns no such column"
