"""Which calls to AWS a function can reach, read from the source: the yardstick for what its policy has to allow.

From the functions' own modules every name is followed that leads to another function of ours. What is found on the way
are the methods of `backends.files`, `backends.queues` and `sending.sealer`; their own source says which operations of
boto3 those are. It errs on the side of reaching more, never less: a name that is mentioned counts as called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("chalicelib", "functions")
ROOMS = ("files", "queues", "sealer")
"""The attributes behind which AWS is."""
UNFOLLOWED = ("chalicelib.backends", "chalicelib.database", "functions.composition")
"""They bind everything to everything."""


@dataclass(frozen=True, order=True)
class Call:
    """A method of a room, who calls it, and for queues which one; None where the queue is the function's own."""

    room: str
    method: str
    caller: str
    queue: str | None = None


@dataclass
class _Module:
    name: str
    definitions: dict[str, ast.AST] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def calls_of(module: str) -> set[Call]:
    """Everything that can be reached from a module, or a package, of functions/."""
    modules = _modules()
    roots = [name for name in modules if name == module or name.startswith(f"{module}.")]
    waiting = [(name, defined) for name in roots for defined in modules[name].definitions]
    seen: set[tuple[str, str]] = set()
    found: set[Call] = set()
    while waiting:
        at = waiting.pop()
        if at in seen or at[0] in UNFOLLOWED:
            continue
        seen.add(at)
        here = modules[at[0]]
        node = here.definitions[at[1]]
        found.update(_calls_in(here, node))
        waiting.extend(_mentioned(here, node))
    return found


def operations() -> dict[tuple[str, str], set[str]]:
    """The operations of boto3 behind every method of a room."""
    return {
        (room, method): operations
        for room, module, owner in (
            ("files", "chalicelib.files", "Files"),
            ("queues", "chalicelib.queues", "Queues"),
            ("sealer", "chalicelib.sealing", "KmsKey"),
        )
        for method, operations in _operations_of(module, owner).items()
    }


def _operations_of(module: str, owner: str) -> dict[str, set[str]]:
    definition = _modules()[module].definitions[owner]
    assert isinstance(definition, ast.ClassDef)
    methods = {each.name: each for each in definition.body if isinstance(each, ast.FunctionDef)}

    def reached(name: str, seen: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(methods[name]):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="generate_presigned_url"), args=[ast.Constant(value=str(operation))]
                ):
                    found.add(operation)
                case ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="self"), attr="_s3" | "_sqs" | "_kms"), attr=operation
                ) if operation != "generate_presigned_url":
                    found.add(operation)
                case ast.Attribute(value=ast.Name(id="self"), attr=other):
                    other = {"_unwrapped": "_unwrap"}.get(other, other)
                    if other in methods and other not in seen:
                        found |= reached(other, seen | {other})
        return found

    return {name: reached(name, frozenset({name})) for name in methods if not name.startswith("_")}


def _calls_in(module: _Module, node: ast.AST) -> Iterator[Call]:
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=arguments) if _room(owner) == "queues":
                named = _text(module, arguments[0]) if arguments else None
                yield Call("queues", method, module.name, named)
            case ast.Attribute(value=owner, attr=method) if (room := _room(owner)) in ("files", "sealer"):
                if method != "bucket":
                    yield Call(str(room), method, module.name)
            case ast.Assign(targets=[ast.Attribute(attr="announces")]):
                # Database.transaction wakes the relay once this is committed.
                yield Call("queues", "wake", module.name, "events")


def _room(owner: ast.expr) -> str | None:
    match owner:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name if name in ROOMS else None
    return None


def _text(module: _Module, node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name) if name in module.constants:
            return module.constants[name]
        case ast.Name(id=name) if name in module.imports:
            source, constant = module.imports[name]
            return _modules()[source].constants[str(constant)]
    return None


def _mentioned(module: _Module, node: ast.AST) -> Iterator[tuple[str, str]]:
    modules = _modules()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name) if name in module.definitions:
                yield module.name, name
            case ast.Name(id=name) if name in module.imports:
                source, attribute = module.imports[name]
                if attribute is not None and source in modules and attribute in modules[source].definitions:
                    yield source, attribute
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in module.imports:
                source, nothing = module.imports[name]
                if nothing is None and source in modules and attribute in modules[source].definitions:
                    yield source, attribute


@cache
def _modules() -> dict[str, _Module]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return {name: _module(name, file, set(names)) for name, file in names.items()}


def _module(name: str, file: Path, names: set[str]) -> _Module:
    module = _Module(name)
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                module.definitions[defined] = node
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))):
                module.constants[target] = text
            case ast.ImportFrom(module=str(source), names=imported):
                for each in imported:
                    whole = f"{source}.{each.name}"
                    meant = (whole, None) if whole in names else (source, each.name)
                    module.imports[each.asname or each.name] = meant
    return module
