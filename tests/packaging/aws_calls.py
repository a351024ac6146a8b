"""Reads from the source which calls to AWS a function can reach: what its policy has to allow.

Starting at the functions' own modules, every name that leads to another function of ours is followed. Found on the way
are the methods of `backends.files`, `backends.queues` and `sending.sealer`; their own source shows which operations of
boto3 they use. The result may contain calls that never happen, but misses none: a name that is mentioned counts as
called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.packaging.reached_source import Module, modules, reached

DEAD_LETTERS = "its dead letters"
CLIENTS = ("files", "queues", "sealer")
"""The attributes whose methods call AWS."""


@dataclass(frozen=True, order=True)
class Call:
    """A method of a client, the calling module, and the name of the queue.

    None stands for the function's own queue, DEAD_LETTERS for the dead letters of that queue.
    """

    client: str
    method: str
    caller: str
    queue: str | None = None


def calls_of(module: str) -> set[Call]:
    """Returns all calls that can be reached from a module or package."""
    return {call for here, node in reached(module) for call in _calls_in(here, node)}


def operations() -> dict[tuple[str, str], set[str]]:
    """Returns the operations of boto3 that every method of a client uses."""
    return {
        (client, method): operations
        for client, module, owner in (
            ("files", "chalicelib.backends.s3", "S3FileStore"),
            ("queues", "chalicelib.backends.sqs", "SqsQueues"),
            ("sealer", "chalicelib.backends.sealing", "KmsKey"),
        )
        for method, operations in _operations_of(module, owner).items()
    }


def _operations_of(module: str, owner: str) -> dict[str, set[str]]:
    definition = modules()[module].definitions[owner]
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


def _calls_in(module: Module, node: ast.AST) -> Iterator[Call]:
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=arguments) if _client(owner) == "queues":
                named = _text(module, arguments[0]) if arguments else None
                yield Call("queues", method, module.name, named)
            case ast.Attribute(value=owner, attr=method) if (client := _client(owner)) in ("files", "sealer"):
                if method != "bucket":
                    yield Call(str(client), method, module.name)
            case ast.Assign(targets=[ast.Attribute(attr="announces")]):
                # Database.transaction wakes the relay after the commit.
                yield Call("queues", "wake", module.name, "events")
            case ast.Assign(targets=[ast.Attribute(attr="changes_products")]):
                # … or indexing.
                yield Call("queues", "wake_soon", module.name, "changes")


def _client(owner: ast.expr) -> str | None:
    match owner:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name if name in CLIENTS else None
    return None


def _text(module: Module, node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Attribute(attr="dead_letters"):
            return DEAD_LETTERS
        case ast.Name(id=name) if name in module.constants:
            return module.constants[name]
        case ast.Name(id=name) if name in module.imports:
            source, constant = module.imports[name]
            return modules()[source].constants[str(constant)]
    return None
