"""Invoked by an administrator, from the terminal (infra/tokens.py): makes, lists and revokes API tokens.

Nobody outside the network gets at the database of a deployment; who may invoke this function can do without.

    {"command": "create", "name": "the shop", "scope": "write"}   →  {"token": "imp_…"}, once and never again
    {"command": "list"}                                           →  {"tokens": [{"name": …, "scopes": …, …}, …]}
    {"command": "revoke", "name": "the shop"}                     →  {"revoked": "the shop"}

What cannot be done is answered with {"refused": "the reason"}.
"""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from chalicelib.access import tokens
from chalicelib.backends.credentials import owner_conninfo
from chalicelib.backends.database import Database, Transaction
from chalicelib.errors import Rejected
from chalicelib.settings import settings

Answer = dict[str, Any]
"""Ready for JSON: times are written as ISO 8601 has it."""


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Create(_Command):
    """Makes a token."""

    command: Literal["create"]
    name: str
    scope: tokens.Scope = "read"

    def carried_out(self, transaction: Transaction) -> Answer:
        """The token itself. Raises Invalid, Conflict."""
        return {"token": tokens.create(transaction, self.name, [self.scope])}


class List(_Command):
    """Tells of every token, but never the token itself."""

    command: Literal["list"]

    def carried_out(self, transaction: Transaction) -> Answer:
        """The newest first."""
        return {"tokens": to_jsonable_python(tokens.listed(transaction))}


class Revoke(_Command):
    """Makes a token useless."""

    command: Literal["revoke"]
    name: str

    def carried_out(self, transaction: Transaction) -> Answer:
        """The name again. Raises NotFound."""
        tokens.revoke(transaction, self.name)
        return {"revoked": self.name}


_COMMANDS: TypeAdapter[Create | List | Revoke] = TypeAdapter(
    Annotated[Create | List | Revoke, Field(discriminator="command")]
)


def manage_tokens(event: object) -> Answer:
    """Carries out a command as the owner of the database. Raises MissingSetting, Transient."""
    with closing(Database(owner_conninfo(settings()))) as database:
        return answered(database, event)


def answered(database: Database, event: object) -> Answer:
    """Carries out a command on a database. What is answered is committed. Raises Transient."""
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
    # The first part of a place is the command that was asked for.
    return "; ".join(
        ": ".join([*(str(part) for part in fault["loc"][1:]), fault["msg"]])
        for fault in error.errors(include_input=False)
    )
