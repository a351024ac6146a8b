"""Every mutation of `make mutate` still applies: otherwise it would be noticed only in the long run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.mutations import MUTATIONS, Mutation, mutated

ROOT = Path(__file__).parents[2]


def test_names_are_unique() -> None:
    names = [each.name for each in MUTATIONS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_changes_the_code_and_names_tests_that_exist(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text("utf-8")
    assert mutated(mutation, text) != text
    files = [test for test in mutation.tests if test.startswith("tests/")]
    assert files, "it names no test"
    for name in files:
        file, _, function = name.partition("::")
        defined = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert not function or function.partition("[")[0].rpartition("::")[2] in defined, f"{file} has no {function}"
