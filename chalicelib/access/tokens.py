"""API tokens: random, named, scoped, revocable, with an optional expiry, and stored only as SHA-256 hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import psycopg

from chalicelib.backends.database import Transaction, UniqueViolation
from chalicelib.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from chalicelib.limits import TOKEN_LIFETIME_HOURS_MAX, TOKEN_NAME_CHARACTERS_MAX, TOKENS_LISTED_MAX
from chalicelib.sql import query

PREFIX = "imp_"
TOKEN_BYTES = 32
TOKEN_CHARACTERS_MIN = 20
FORM = f"[!-~]{{{TOKEN_CHARACTERS_MIN},}}"
"""A token as a regular expression: visible ASCII characters, because others do not reliably survive in a header."""
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
class Refusal:
    """Why a token gives no access: malformed, unknown, revoked or expired. Only the last two have a holder."""

    reason: str
    holder: str | None = None


@dataclass(frozen=True)
class Token:
    """What a list shows of a token. It does not help anyone to get in."""

    id: uuid.UUID
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def scope(self) -> str:
        """The highest of its scopes, which includes the others."""
        return max(self.scopes, key=SCOPES.index)


@dataclass(frozen=True)
class NewToken:
    """A token to create. `expires_at` has a time zone; None means never."""

    name: str
    scope: str
    expires_at: datetime | None = None


@dataclass(frozen=True)
class _Holder:
    id: uuid.UUID
    name: str
    scopes: list[str]
    refusal: str | None


@dataclass(frozen=True)
class _Created:
    id: uuid.UUID | None


@dataclass(frozen=True)
class _Revoked:
    revoked: bool | None


def identify(transaction: Transaction, token: str) -> Identity | Refusal:
    """Returns who holds this token, or why it gives no access. Records when it was last used."""
    holder = transaction.one("use_token", _Holder, sha256=_sha256(token))
    if holder is None:
        return Refusal("unknown")
    if holder.refusal is not None:
        return Refusal(holder.refusal, holder.name)
    return Identity(holder.id, holder.name, granted(holder.scopes))


def granted(scopes: Sequence[str]) -> frozenset[str]:
    """Returns all scopes that the given ones include."""
    highest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: highest + 1])


def create(transaction: Transaction, new: NewToken) -> str:
    """Creates a token and returns it; it cannot be read again. Needs the owner of the database.

    Raises Invalid, and Conflict when the name is taken.
    """
    _check(new)
    transaction.run("lock_tokens")
    if transaction.exists("find_active_token", name=new.name):
        raise _name_taken(new.name)
    token = _new()
    transaction.run("add_token", name=new.name, scopes=[new.scope], sha256=_sha256(token), expires_at=new.expires_at)
    transaction.log("token created", holder=new.name, scopes=[new.scope], expires_at=_shown(new.expires_at))
    return token


def create_as(transaction: Transaction, admin_token: str, new: NewToken) -> tuple[Token, str]:
    """Creates a token for the holder of an administrator's token. Returns what lists show of it, and the token.

    Raises Invalid, Conflict when the name is taken, and Forbidden unless `admin_token` is an administrator's.
    """
    _check(new)
    token = _new()
    given = {"name": new.name, "scope": new.scope, "sha256": _sha256(token), "expires_at": new.expires_at}
    try:
        created = transaction.row("create_token_as", _Created, admin_token=admin_token, **given)
    except UniqueViolation:
        raise _name_taken(new.name) from None
    if created.id is None:
        raise _not_an_administrator()
    transaction.log(
        "token created",
        holder=new.name,
        holder_id=created.id,
        scopes=[new.scope],
        expires_at=_shown(new.expires_at),
    )
    return get(transaction, created.id), token


def revoke(transaction: Transaction, name: str) -> None:
    """Revokes the token with that name, effective once no authorizer has it cached. Raises NotFound."""
    if not _is_a_name(name) or not transaction.run("revoke_tokens", name=name):
        raise NotFound(f"there is no token named {name} to revoke")
    transaction.log("token revoked", holder=name)


def revoke_as(transaction: Transaction, admin_token: str, token_id: uuid.UUID) -> None:
    """Revokes a token for the holder of an administrator's token, which may be the same one or the last one.

    Raises NotFound, also for a token that is revoked already, and Forbidden unless `admin_token` is an administrator's.
    """
    revoked = transaction.row("revoke_token_as", _Revoked, admin_token=admin_token, id=token_id).revoked
    if revoked is None:
        raise _not_an_administrator()
    if not revoked:
        raise NotFound(f"there is no token {token_id} to revoke")
    transaction.log("token revoked", holder=get(transaction, token_id).name, holder_id=token_id)


def listed(transaction: Transaction) -> list[Token]:
    """Returns the newest tokens, revoked and expired ones included."""
    return page(transaction, TOKENS_LISTED_MAX)


def get(transaction: Transaction, token_id: uuid.UUID) -> Token:
    """Returns what a list shows of one token. Raises NotFound."""
    token = transaction.one("find_token", Token, id=token_id)
    if token is None:
        raise NotFound(f"there is no token {token_id}")
    return token


def count(transaction: Transaction) -> int:
    """Returns the number of tokens, revoked and expired ones included."""
    return transaction.value("count_tokens", int)


def page(
    transaction: Transaction, limit: int, *, above: uuid.UUID | None = None, below: uuid.UUID | None = None
) -> list[Token]:
    """Returns up to `limit` tokens, newest first: those next to an id, above or below it, or the newest."""
    if above is not None:
        return transaction.all("tokens_above", Token, above=above, limit=limit)[::-1]
    return transaction.all("tokens_below", Token, below=below, limit=limit)


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


def _check(new: NewToken) -> None:
    """Raises Invalid for a name or an expiry that a token cannot have."""
    if not _is_a_name(new.name):
        message = f"must have 1 to {TOKEN_NAME_CHARACTERS_MAX} visible characters and no space at either end"
        raise Invalid(f"the name of a token {message}", errors=(FieldError("/name", message),))
    now = datetime.now(UTC)
    if new.expires_at is not None and not now < new.expires_at <= now + timedelta(hours=TOKEN_LIFETIME_HOURS_MAX):
        message = f"must be in the future, and at most {TOKEN_LIFETIME_HOURS_MAX // (365 * 24)} years from now"
        raise Invalid(f"the expiry of a token {message}", errors=(FieldError("/expires_at", message),))


def _shown(expires_at: datetime | None) -> str | None:
    return expires_at.isoformat() if expires_at is not None else None


def _name_taken(name: str) -> Conflict:
    message = f"there is already a token named {name}; revoke it first, or choose another name"
    return Conflict(message, code="token_name_taken")


def _not_an_administrator() -> Forbidden:
    return Forbidden("this request needs a token with the scope admin that has neither expired nor been revoked")


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
