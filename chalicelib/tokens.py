"""API tokens: random, named, scoped, kept only as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from chalicelib.database import Transaction
from chalicelib.sql import query

PREFIX = "imp_"
TOKEN_BYTES = 32
TOKEN_CHARACTERS_MIN = 20
SCOPES = ("read", "write", "admin")
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


def install(conninfo: str, name: str, scopes: Sequence[str], token: str | None = None) -> str:
    """Makes `token`, or a new one, the only token of that name; returns it in clear. Raises ValueError if too short."""
    token = token or PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    if len(token) < TOKEN_CHARACTERS_MIN:
        raise ValueError(f"a token needs at least {TOKEN_CHARACTERS_MIN} characters")
    with psycopg.connect(conninfo) as connection:
        connection.execute(query("revoke_tokens"), {"name": name})
        connection.execute(query("install_token"), {"name": name, "scopes": list(scopes), "sha256": _sha256(token)})
    return token


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
