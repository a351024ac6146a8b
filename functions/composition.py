"""The composition root: the backends of this process, bound once from the settings."""

from __future__ import annotations

from functools import cache

from chalicelib.backends import Backends, connect
from chalicelib.settings import settings


@cache
def backends() -> Backends:
    """The database connection and clients that every function of this process shares."""
    return connect(settings())
