"""In the process of the integration tests, each function is connected to the database as its own role."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest
from pydantic import SecretStr

from chalicelib.backends import Backends, connect
from chalicelib.backends.roles import FUNCTION_ROLES, ROLES
from chalicelib.settings import settings
from functions.composition import backends
from tests.support.privileges import queries_of_roles

API = "functions.api"
_CONNECTED: list[Backends] = []
"""The backends of each role."""


def connect_as_roles(patch: pytest.MonkeyPatch, conninfos: Mapping[str, str]) -> None:
    """Gives the module of each function the backends of its role."""
    found = {role: _backends_of(conninfos[role]) for role in FUNCTION_ROLES}
    for function, role in ROLES.items():
        for name in _modules_of(function):
            module = importlib.import_module(name)
            if hasattr(module, "backends"):
                patch.setattr(module, "backends", lambda role=role: found[role])
    _CONNECTED.extend(found.values())


def disconnect() -> None:
    """Closes the connections of all functions. The next use of each opens a new one."""
    for each in (backends(), *_CONNECTED):
        each.database.close()


def undeclared(used: Iterable[tuple[str, str]]) -> list[str]:
    """The queries that a role has run although they are not in the source of its functions, in words."""
    known = queries_of_roles()
    return sorted(f"{role} ran {name}" for role, name in used if role in known and name not in known[role])


def _backends_of(conninfo: str) -> Backends:
    """A connection of its own. Files and queues are shared, so that tests can replace parts of them."""
    own = connect(settings().model_copy(update={"database_url": SecretStr(conninfo)}))
    return replace(backends(), database=own.database)


def _modules_of(function: str) -> Iterator[str]:
    if function != "api_handler":
        yield f"functions.{function}"
        return
    for each in pkgutil.iter_modules(importlib.import_module(API).__path__):
        yield f"{API}.{each.name}"
