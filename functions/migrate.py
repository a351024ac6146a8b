"""Invoked at every deployment: brings the schema up to date."""

from __future__ import annotations

from chalicelib import migrations
from chalicelib.settings import MissingSetting, settings


def migrate() -> dict[str, list[str]]:
    """Applies the missing migrations as the owner of the database. Raises MissingSetting, MigrationError."""
    owner = settings().owner_database_url
    if owner is None:
        raise MissingSetting("environment variable OWNER_DATABASE_URL is missing: the role that owns the tables")
    return {"applied": migrations.migrate(owner.get_secret_value())}
