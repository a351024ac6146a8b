"""Invoked at every deployment: brings the schema up to date."""

from __future__ import annotations

from chalicelib.backends import migrations
from chalicelib.backends.credentials import owner_conninfo, role_password
from chalicelib.settings import settings


def migrate() -> dict[str, list[str]]:
    """Applies the missing migrations as the owner of the database. Raises MissingSetting, MigrationError, Transient."""
    owner = owner_conninfo(settings())
    role = role_password(settings())
    if role is not None:
        migrations.ensure_role(owner, *role)
    return {"applied": migrations.migrate(owner)}
