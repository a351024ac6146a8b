"""Invoked at every deployment: brings the schema and the roles of the functions up to date.

{"contract": false}   before the functions are replaced: nothing is taken from the code that is still running
{}                    afterwards, and at any other time: everything
"""

from __future__ import annotations

from typing import Any

from chalicelib.backends import migrations
from chalicelib.backends.credentials import owner_conninfo
from chalicelib.backends.roles import FUNCTION_ROLES
from chalicelib.settings import settings


def migrate(event: dict[str, Any]) -> dict[str, list[str]]:
    """Works as the owner of the database. Raises MissingSetting, MigrationError."""
    owner, contract = owner_conninfo(settings()), event.get("contract", True)
    # A role that has logged in with a password loses it.
    for role in sorted(FUNCTION_ROLES if contract else migrations.missing_roles(owner, FUNCTION_ROLES)):
        migrations.ensure_role(owner, role, None)
    return {"applied": migrations.migrate(owner, contract=contract)}
