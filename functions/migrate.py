"""Invoked at every deployment: brings the schema and the roles of the functions up to date.

{"contract": false}   before the functions are replaced: nothing is taken from the code that is still running
{}                    afterwards, and at any other time: everything

Returns the names of the applied migrations, what they report, and whether it has finished. When its time runs out, it
has not: the caller invokes it again, and it continues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from chalicelib.backends import migrations
from chalicelib.backends.credentials import owner_conninfo
from chalicelib.backends.roles import FUNCTION_ROLES
from chalicelib.settings import settings
from chalicelib.telemetry import WARNING, log


def migrate(event: dict[str, Any], seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Works as the owner of the database. Raises MissingSetting, MigrationError."""
    owner, contract = owner_conninfo(settings()), event.get("contract", True)
    # A role that has logged in with a password loses it.
    for role in sorted(FUNCTION_ROLES if contract else migrations.missing_roles(owner, FUNCTION_ROLES)):
        migrations.ensure_role(owner, role, None)
    migrated = migrations.advance(owner, contract=contract, seconds_left=seconds_left)
    for report in migrated.reports:
        log("a migration reports", level=WARNING, report=report)
    return asdict(migrated)
