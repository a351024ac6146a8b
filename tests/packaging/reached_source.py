"""Reads which of our own source a function can reach, to derive its AWS permissions and its SQL statements.

Starting at the functions' own modules, every name that leads to another function of ours is followed. The result may
contain too much, but misses nothing: a name that is mentioned counts as called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from chalicelib.sql import queries

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("chalicelib", "functions")
UNFOLLOWED = ("chalicelib.backends", "chalicelib.backends.database", "functions.composition")
"""Modules that connect everything with everything else."""


@dataclass
class Module:
    """The contents of a module: functions and classes, named strings, all other statements, and imports."""

    name: str
    definitions: dict[str, ast.AST] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    others: list[ast.AST] = field(default_factory=list)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def reached(module: str) -> Iterator[tuple[Module, ast.AST]]:
    """Yields every function and class that can be reached from a module or package, with the module it is in."""
    known = modules()
    roots = [name for name in known if name == module or name.startswith(f"{module}.")]
    waiting = [(name, defined) for name in roots for defined in known[name].definitions]
    seen: set[tuple[str, str]] = set()
    while waiting:
        at = waiting.pop()
        if at in seen or at[0] in UNFOLLOWED:
            continue
        seen.add(at)
        here = known[at[0]]
        node = here.definitions[at[1]]
        yield here, node
        waiting.extend(_mentioned(here, node))


def queries_of(module: str) -> set[str]:
    """Returns the names of all queries, and parts of queries, that can be reached from a module or package."""
    names: set[str] = set()
    for here, node in reached(module):
        for each in [*ast.walk(node), *(inner for other in here.others for inner in ast.walk(other))]:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in queries():
                names.add(each.value)
    return names


@cache
def modules() -> Mapping[str, Module]:
    """Returns all of our modules by name."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return {name: _module(name, file, set(names)) for name, file in names.items()}


def _mentioned(module: Module, node: ast.AST) -> Iterator[tuple[str, str]]:
    known = modules()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name) if name in module.definitions:
                yield module.name, name
            case ast.Name(id=name) if name in module.imports:
                source, attribute = module.imports[name]
                if attribute is not None and source in known and attribute in known[source].definitions:
                    yield source, attribute
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in module.imports:
                source, nothing = module.imports[name]
                if nothing is None and source in known and attribute in known[source].definitions:
                    yield source, attribute


def _module(name: str, file: Path, names: set[str]) -> Module:
    module = Module(name)
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                module.definitions[defined] = node
            case ast.ImportFrom(module=str(source), names=imported):
                for each in imported:
                    whole = f"{source}.{each.name}"
                    meant = (whole, None) if whole in names else (source, each.name)
                    module.imports[each.asname or each.name] = meant
            case _:
                module.others.append(node)
                if isinstance(node, ast.Assign):
                    module.constants.update(_text_with_a_name(node))
    return module


def _text_with_a_name(node: ast.Assign) -> dict[str, str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))):
            return {target: text}
    return {}
