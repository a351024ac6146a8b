"""Which database role each function has."""

from __future__ import annotations

import json
from pathlib import Path

from chalicelib.backends.roles import ROLES

CONFIG = Path(__file__).parents[2] / ".chalice" / "config.json"


def test_every_function_but_migrate_has_a_role() -> None:
    functions = json.loads(CONFIG.read_text("utf-8"))["stages"]["dev"]["lambda_functions"]
    assert ROLES.keys() == functions.keys() - {"migrate"}


def test_only_the_function_that_manages_tokens_has_the_role_that_creates_them() -> None:
    assert [function for function, role in ROLES.items() if role == "token_manager"] == ["manage_tokens"]
