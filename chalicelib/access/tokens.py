"""API tokens: random, named, scoped, revocable, kept only as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import psycopg
from psycopg.rows import DictRow

from chalicelib.backends.database import Transaction
from chalicelib.errors import Conflict, FieldError, Invalid, NotFound
from chalicelib.limits import TOKEN_NAME_CHARACTERS_MAX, TOKENS_LISTED_MAX
from chalicelib.sql import query

PREFIX = "imp_"
TOKEN_BYTES = 32
TOKEN_CHARACTERS_MIN = 20
Scope = Literal["read", "write", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)
"""Each scope includes the ones before it."""


@dataclass(frozen=True)
class Identity:
    """Whose token it is, and what it may do."""

    token_id: uuid.UUID
    name: str
    scopes: frozenset[str]


def identify(transaction: Transaction, token: str) -> Identity | None:
    """Who holds this token; None when it is unknown or revoked. Notes when it was last used."""
    found = transaction.one("use_token", sha256=_sha256(token))
    if found is None:
        return None
    return Identity(found["id"], found["name"], granted(found["scopes"]))


def granted(scopes: Sequence[str]) -> frozenset[str]:
    """All scopes that the given ones include."""
    highest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: highest + 1])


def create(transaction: Transaction, name: str, scopes: Sequence[str]) -> str:
    """A new token, in clear; nobody can ever read it again. Raises Invalid, Conflict when the name is in use."""
    _check_name(name)
    transaction.run("lock_tokens")
    if transaction.one("find_active_token", name=name):
        raise Conflict(f"there is a token named {name} already; revoke it first, or choose another name")
    token = _new()
    transaction.run("add_token", name=name, scopes=list(scopes), sha256=_sha256(token))
    transaction.tell("a token was made", holder=name, scopes=list(scopes))
    return token


def revoke(transaction: Transaction, name: str) -> None:
    """The token of that name is refused from now on, as soon as no authorizer remembers it. Raises NotFound."""
    if not _is_a_name(name) or not transaction.run("revoke_tokens", name=name):
        raise NotFound(f"there is no token named {name} that could be revoked")
    transaction.tell("a token was revoked", holder=name)


def listed(transaction: Transaction) -> list[DictRow]:
    """The newest tokens, revoked ones too: name, scopes and times, nothing that lets anybody in."""
    return transaction.all("list_tokens", limit=TOKENS_LISTED_MAX)


def install(conninfo: str, name: str, scopes: Sequence[str], token: str | None = None) -> str:
    """Makes `token`, or a new one, the only token of that name; returns it in clear. Raises ValueError if too short."""
    token = token or _new()
    if len(token) < TOKEN_CHARACTERS_MIN:
        raise ValueError(f"a token needs at least {TOKEN_CHARACTERS_MIN} characters")
    with psycopg.connect(conninfo) as connection:
        connection.execute(query("revoke_tokens"), {"name": name})
        connection.execute(query("install_token"), {"name": name, "scopes": list(scopes), "sha256": _sha256(token)})
    return token


def _new() -> str:
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def _is_a_name(name: str) -> bool:
    """Names stand in lists and logs, so there is nothing in them that is not seen."""
    return 0 < len(name) <= TOKEN_NAME_CHARACTERS_MAX and name.isprintable() and name == name.strip()


def _check_name(name: str) -> None:
    if not _is_a_name(name):
        message = f"1 to {TOKEN_NAME_CHARACTERS_MAX} visible characters, no space at either end"
        raise Invalid(f"the name of a token has {message}", errors=(FieldError("/name", message),))


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
