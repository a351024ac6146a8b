"""The JSON of tokens: what clients send, and what they get."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chalicelib.access import tokens
from chalicelib.limits import TOKEN_LIFETIME_HOURS_MAX, TOKEN_NAME_CHARACTERS_MAX
from functions.api.field_types import Time, storable_text

_EXAMPLE: dict[str, Any] = {"name": "the shop", "scope": "write"}
_YEARS_MAX = TOKEN_LIFETIME_HOURS_MAX // (365 * 24)


class NewToken(BaseModel):
    """A token to create."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    # `tokens` checks that the characters are visible, as it does for the terminal.
    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=TOKEN_NAME_CHARACTERS_MAX,
            description="The person or system that will use it. Visible characters, and no space at either end",
        ),
        AfterValidator(storable_text),
    ]
    scope: Annotated[tokens.Scope, Field(description="Each includes the ones before it: `read`, `write`, `admin`")]
    expires_at: Annotated[
        Time | None,
        Field(description=f"In the future, at most {_YEARS_MAX} years from now; null if the token does not expire"),
    ] = None


class Token(BaseModel):
    """A token, without the text that gives access."""

    id: str
    name: str
    scope: tokens.Scope
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To the minute; null if it was never used")]
    expires_at: Annotated[datetime | None, Field(description="Refused from then on; null if it does not expire")]
    revoked_at: Annotated[datetime | None, Field(description="When it was revoked; null if it was not")]

    @staticmethod
    def of(token: tokens.Token) -> Token:
        """The token as lists show it."""
        return Token(**_fields(token))


class TokenWithSecret(Token):
    """A new token, with the text that gives access."""

    token: Annotated[
        str | None,
        Field(
            description="Send it as `Authorization: Bearer …`. It is not stored and not shown again: null if the "
            "creation is repeated with its Idempotency-Key"
        ),
    ]

    @classmethod
    def with_secret(cls, token: tokens.Token, secret: str | None) -> TokenWithSecret:
        """The token for the caller who has just created it."""
        return cls(**_fields(token), token=secret)


def _fields(token: tokens.Token) -> Mapping[str, Any]:
    return {
        "id": str(token.id),
        "name": token.name,
        "scope": cast(tokens.Scope, token.scope),
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }
