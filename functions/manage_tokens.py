"""Invoked by an administrator from the terminal (infra/tokens.py): creates, lists and revokes API tokens.

The database of a deployment cannot be reached from outside its network; this function works without such access.

    {"command": "create", "name": "the shop", "scope": "write"}   →  {"token": "imp_…"}, shown only once
    {…, "expires_hours": 2160}                                    →  the same; the token ends by itself
    {"command": "list"}                                           →  {"tokens": [{"name": …, "scopes": …, …}, …]}
    {"command": "revoke", "name": "the shop"}                     →  {"revoked": "the shop"}

A command that cannot be carried out is answered with {"refused": "the reason"}.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from chalicelib.access import tokens
from chalicelib.backends.credentials import conninfo
from chalicelib.backends.database import Database, Transaction
from chalicelib.errors import Rejected
from chalicelib.limits import TOKEN_LIFETIME_HOURS_MAX
from chalicelib.settings import settings
from chalicelib.validation_texts import explained

Answer = dict[str, Any]
"""Ready for JSON; times are ISO 8601."""


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Create(_Command):
    """Creates a token."""

    command: Literal["create"]
    name: str
    scope: tokens.Scope = "read"
    expires_hours: Annotated[int | None, Field(strict=True, ge=1, le=TOKEN_LIFETIME_HOURS_MAX)] = None

    def carried_out(self, transaction: Transaction) -> Answer:
        """Returns the token itself. Raises Invalid, Conflict."""
        hours = self.expires_hours
        expires_at = datetime.now(UTC) + timedelta(hours=hours) if hours is not None else None
        return {"token": tokens.create(transaction, tokens.NewToken(self.name, self.scope, expires_at))}


class List(_Command):
    """Lists the tokens, but never shows a token itself."""

    command: Literal["list"]

    def carried_out(self, transaction: Transaction) -> Answer:
        """Returns them, newest first."""
        return {"tokens": to_jsonable_python(tokens.listed(transaction))}


class Revoke(_Command):
    """Revokes a token."""

    command: Literal["revoke"]
    name: str

    def carried_out(self, transaction: Transaction) -> Answer:
        """Returns its name. Raises NotFound."""
        tokens.revoke(transaction, self.name)
        return {"revoked": self.name}


_COMMANDS: TypeAdapter[Create | List | Revoke] = TypeAdapter(
    Annotated[Create | List | Revoke, Field(discriminator="command")]
)


def manage_tokens(event: object) -> Answer:
    """Carries out a command as the role `token_manager`. Raises MissingSetting, Transient."""
    with closing(Database(conninfo(settings()))) as database:
        return answered(database, event)


def answered(database: Database, event: object) -> Answer:
    """Carries out a command on a database. An answer means that it is committed. Raises Transient."""
    try:
        command = _COMMANDS.validate_python(event)
        with database.transaction() as transaction:
            answer = command.carried_out(transaction)
    except ValidationError as error:
        return {"refused": _in_words(error)}
    except Rejected as error:
        return {"refused": error.message}
    return answer


def _in_words(error: ValidationError) -> str:
    # The first part of a path is the command.
    return " ".join(": ".join([*path[1:], text]) for path, text in explained(error))
