"""API tokens: random, named, scoped, revocable, and stored only as SHA-256 hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import psycopg

from chalicelib.backends.database import Transaction
from chalicelib.errors import Conflict, FieldError, Invalid, NotFound
from chalicelib.limits import TOKEN_NAME_CHARACTERS_MAX, TOKENS_LISTED_MAX
from chalicelib.sql import query

PREFIX = "imp_"
TOKEN_BYTES = 32
TOKEN_CHARACTERS_MIN = 20
FORM = f"[!-~]{{{TOKEN_CHARACTERS_MIN},}}"
"""A token as a regular expression: visible ASCII characters, because a header can contain no others for certain."""
Scope = Literal["read", "write", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)
"""Each scope includes the ones before it."""


@dataclass(frozen=True)
class Identity:
    """Whose token it is, and what it may do."""

    token_id: uuid.UUID
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Token:
    """What a list shows of a token. It does not help anyone to get in."""

    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class _Holder:
    id: uuid.UUID
    name: str
    scopes: list[str]


def identify(transaction: Transaction, token: str) -> Identity | None:
    """Returns who holds this token; None if it is unknown or revoked. Records when it was last used."""
    holder = transaction.one("use_token", _Holder, sha256=_sha256(token))
    if holder is None:
        return None
    return Identity(holder.id, holder.name, granted(holder.scopes))


def granted(scopes: Sequence[str]) -> frozenset[str]:
    """Returns all scopes that the given ones include."""
    highest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: highest + 1])


def create(transaction: Transaction, name: str, scopes: Sequence[str]) -> str:
    """Creates a token and returns it; it cannot be read again. Raises Invalid, and Conflict when the name is taken."""
    _check_name(name)
    transaction.run("lock_tokens")
    if transaction.exists("find_active_token", name=name):
        raise Conflict(f"there is already a token named {name}; revoke it first, or choose another name")
    token = _new()
    transaction.run("add_token", name=name, scopes=list(scopes), sha256=_sha256(token))
    transaction.log("token created", holder=name, scopes=list(scopes))
    return token


def revoke(transaction: Transaction, name: str) -> None:
    """Revokes the token with that name, effective once no authorizer has it cached. Raises NotFound."""
    if not _is_a_name(name) or not transaction.run("revoke_tokens", name=name):
        raise NotFound(f"there is no token named {name} to revoke")
    transaction.log("token revoked", holder=name)


def listed(transaction: Transaction) -> list[Token]:
    """Returns the newest tokens, revoked ones included."""
    return transaction.all("list_tokens", Token, limit=TOKENS_LISTED_MAX)


def install(conninfo: str, name: str, scopes: Sequence[str], token: str | None = None) -> str:
    """Makes `token`, or a new one, the only token with that name, and returns it. Raises ValueError when too short."""
    token = token or _new()
    check_strength(token)
    with psycopg.connect(conninfo) as connection:
        connection.execute(query("lock_tokens"))
        connection.execute(query("revoke_tokens"), {"name": name})
        connection.execute(query("install_token"), {"name": name, "scopes": list(scopes), "sha256": _sha256(token)})
    return token


def check_strength(token: str) -> None:
    """Raises ValueError when a token that a user has chosen is too short, or has characters other than FORM's."""
    if len(token) < TOKEN_CHARACTERS_MIN:
        raise ValueError(f"a token needs at least {TOKEN_CHARACTERS_MIN} characters")
    if not re.fullmatch(FORM, token):
        raise ValueError("a token must consist of ASCII letters, digits and punctuation, without spaces")


def _new() -> str:
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def _is_a_name(name: str) -> bool:
    """Whether it can be a name. Names appear in lists and logs, so they have no invisible characters."""
    return 0 < len(name) <= TOKEN_NAME_CHARACTERS_MAX and name.isprintable() and name == name.strip()


def _check_name(name: str) -> None:
    if not _is_a_name(name):
        message = f"must have 1 to {TOKEN_NAME_CHARACTERS_MAX} visible characters and no space at either end"
        raise Invalid(f"the name of a token {message}", errors=(FieldError("/name", message),))


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
