"""Settings of test runs, from the environment: the variables of `make chaos` and `make huge`."""

from __future__ import annotations

import os

import pytest


def whole_number(name: str) -> int | None:
    """Returns the value of a variable; None if it is empty. Ends the run if it is not a whole number."""
    value = os.environ.get(name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit()):
        pytest.exit(f"{name} must be a whole number, not {value!r}", returncode=2)
    return int(value)
