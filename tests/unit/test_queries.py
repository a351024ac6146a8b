"""The code names only queries that exist, with the parameters that they take; and it uses all of them.

Columns are fields of dataclasses, which mypy checks; tests/integration/test_query_columns.py compares these fields with
PostgreSQL.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

import pytest

from chalicelib.sql import queries

ROOT = Path(__file__).parents[2]
FILES = sorted(file for room in ("chalicelib", "functions") for file in (ROOT / room).rglob("*.py"))
METHODS = {"one", "row", "all", "value", "exists", "run", "many", "composed"}
"""Of `Transaction`. Their first argument is the name of a query, or of several."""


def _faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and description of each call that names a query or a parameter that does not exist."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and node.args
        ):
            names, complete = _names(node.args[0])
            for name in names:
                if name not in queries():
                    yield node.lineno, f"there is no query {name!r}{_suggestion(name, queries())}"
            if names and names <= set(queries()):
                given, all_given = _parameters(node)
                wanted = _wanted(node.args[0], names)
                for description in _differences(given, all_given, wanted, complete):
                    yield node.lineno, f"{' + '.join(sorted(names))}: {description}"


def _names(node: ast.expr) -> tuple[set[str], bool]:
    """The names of queries that an argument spells out, and whether these are all."""
    match node:
        case ast.Constant(value=str(name)):
            return {name}, True
        case ast.IfExp(body=first, orelse=second):
            parts = [_names(first), _names(second)]
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            parts = [_names(each) for each in elements]
        case _:
            return set(), False
    return set[str]().union(*(names for names, _ in parts)), all(complete for _, complete in parts)


def _wanted(node: ast.expr, names: Iterable[str]) -> set[str]:
    """The parameters of the queries. Of alternatives, those that all have: each must do with what is given."""
    sets = [set(re.findall(r"%\((\w+)\)s", queries()[name])) for name in names]
    return set[str].intersection(*sets) if isinstance(node, ast.IfExp) else set[str]().union(*sets)


def _parameters(call: ast.Call) -> tuple[set[str], bool]:
    """The names of the parameters that a call spells out, and whether these are all."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "many":
        named = [each.arg for each in call.keywords]
        return {name for name in named if name is not None}, None not in named
    match call.args[1:]:
        case [ast.ListComp(elt=ast.Dict(keys=keys))] | [ast.List(elts=[ast.Dict(keys=keys)])]:
            spelt = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            return spelt, len(spelt) == len(keys)
    return set(), False


def _differences(given: set[str], all_given: bool, wanted: set[str], all_wanted: bool) -> Iterator[str]:
    if all_wanted:
        for name in sorted(given - wanted):
            yield f"no parameter {name!r}{_suggestion(name, wanted - given)}"
    if all_given:
        for name in sorted(wanted - given):
            yield f"the parameter {name!r} is missing"


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _texts(tree: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def test_every_call_names_a_query_and_its_parameters() -> None:
    faults = [
        f"{file.relative_to(ROOT)}:{line}: {description}"
        for file in FILES
        for line, description in _faults(ast.parse(file.read_text("utf-8")))
    ]
    assert not faults, "\n".join(faults)


def test_every_query_is_used() -> None:
    used = set[str]().union(*(_texts(ast.parse(file.read_text("utf-8"))) for file in FILES))
    for file in resources.files("chalicelib.sql").iterdir():
        if file.name.endswith(".sql"):
            used |= set(re.findall(r"{(\w+)}", file.read_text("utf-8")))
    assert sorted(set(queries()) - used) == []


@pytest.mark.parametrize(
    ("source", "descriptions"),
    [
        ('transaction.run("lock_barrier")', []),
        ('transaction.run("lock_barier")', ["there is no query 'lock_barier'; did you mean 'lock_barrier'?"]),
        ('transaction.run("raise_floor", operation=1)', []),
        ('transaction.run("raise_floor", opration=1)',
         ["raise_floor: no parameter 'opration'; did you mean 'operation'?",
          "raise_floor: the parameter 'operation' is missing"]),
        ('transaction.one("find_import", Import)', ["find_import: the parameter 'id' is missing"]),
        ('transaction.one("find_import", Import, **ids)', []),
        ('transaction.one("find_import", Import, key=1, **ids)', ["find_import: no parameter 'key'"]),
        ('transaction.run("lock_barrier" if new else "lock_barier")',
         ["there is no query 'lock_barier'; did you mean 'lock_barrier'?"]),
        ('transaction.run(name, any=1)', []),
        ('transaction.composed(["shown_products", *rest], place=1)', []),
        ('transaction.composed(["shown_product", *rest])',
         ["there is no query 'shown_product'; did you mean 'shown_products'?"]),
        ('transaction.composed(("shown_products", "with_id"), key=1)',
         ["shown_products + with_id: no parameter 'key'", "shown_products + with_id: the parameter 'id' is missing"]),
        ('transaction.many("add_rejected_rows", [{"import_ids": 1, **row} for row in rows])',
         ["add_rejected_rows: no parameter 'import_ids'; did you mean 'import_id'?"]),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_named(source: str, descriptions: list[str]) -> None:
    assert [description for _, description in _faults(ast.parse(source))] == descriptions
