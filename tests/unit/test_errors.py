"""The drawing at the top of errors.py shows every error that is raised on purpose, under its base."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import TypeVar

import chalicelib
import functions
from chalicelib import errors
from chalicelib.errors import ImporterError, Rejected

DRAWN = re.compile(r"^    ([│ ]*(?:[├└]── )?)(\w+)(?: +(\d{3}):)?", re.MULTILINE)
INDENT = 4
Kind = TypeVar("Kind", bound=ImporterError)


def _drawn() -> dict[str, tuple[str | None, str | None]]:
    """The base and the status that the drawing gives to each error."""
    found: dict[str, tuple[str | None, str | None]] = {}
    path: list[str] = []
    for prefix, name, status in DRAWN.findall(errors.__doc__ or ""):
        depth = len(prefix) // INDENT
        found[name] = (path[depth - 1] if depth else None, status or None)
        path[depth:] = [name]
    return found


def _subclasses(kind: type[Kind]) -> Iterator[type[Kind]]:
    for each in kind.__subclasses__():
        if each.__module__.partition(".")[0] in ("chalicelib", "functions"):
            yield each
            yield from _subclasses(each)


def test_the_drawing_is_complete() -> None:
    for package in (chalicelib, functions):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    defined = {each.__name__: each.__base__.__name__ for each in _subclasses(ImporterError) if each.__base__}
    assert {name: base for name, (base, _) in _drawn().items()} == {"ImporterError": None, **defined}


def test_the_drawing_has_the_right_statuses() -> None:
    drawn = {name: int(status) for name, (_, status) in _drawn().items() if status}
    assert drawn == {each.__name__: each.status for each in _subclasses(Rejected) if each.__name__ in drawn}
    assert {404, 409, 422} <= set(drawn.values())
