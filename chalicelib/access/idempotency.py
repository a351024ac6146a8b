"""Idempotency keys: the first request with a key claims it and stores its answer there for requests that repeat it.

The claim is a row of its own, committed before the work begins, so that only one of two simultaneous requests runs. A
request that is killed on the way keeps its key claimed for a minute. It is then unknown whether the request had its
effect, and the next one runs: in this case the promise is at least once, not exactly once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from chalicelib.backends.database import Database
from chalicelib.errors import Conflict, Invalid
from chalicelib.limits import IDEMPOTENCY_CLAIM_SECONDS, IDEMPOTENCY_KEY_SECONDS


@dataclass(frozen=True)
class Outcome:
    """The answer to a request that was carried out: its `body`, or the `reference` to rebuild it from."""

    status: int
    headers: Mapping[str, str]
    body: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to carry out the request with this key."""

    token_id: uuid.UUID
    key: str
    claim: uuid.UUID


@dataclass(frozen=True)
class _Claimed:
    claim: uuid.UUID


@dataclass(frozen=True)
class _StoredKey:
    """A key that could not be claimed, and the answer to its request; `status` is None while the request runs."""

    request_sha256: bytes
    status: int | None
    headers: dict[str, Any] | None
    body: str | None
    reference: str | None


def claim(database: Database, token_id: uuid.UUID, key: str, request_sha256: bytes) -> Claim | Outcome:
    """Returns the right to carry out the request, or the answer to it from the first time.

    Raises Invalid when the key was sent with another request, Conflict while that request runs, Transient.
    """
    with database.transaction() as transaction:
        claimed = transaction.one(
            "claim_idempotency_key",
            _Claimed,
            token_id=token_id,
            key=key,
            request_sha256=request_sha256,
            key_seconds=IDEMPOTENCY_KEY_SECONDS,
            claim_seconds=IDEMPOTENCY_CLAIM_SECONDS,
        )
        if claimed is not None:
            return Claim(token_id, key, claimed.claim)
        stored = transaction.one("find_idempotency_key", _StoredKey, token_id=token_id, key=key)
    if stored is not None and stored.request_sha256 != request_sha256:
        raise Invalid(
            "this Idempotency-Key was already used for a different request; use a new key for a new request",
            code="idempotency_key_reused",
        )
    if stored is None or stored.status is None:  # It runs, or was released between our two statements.
        raise Conflict(
            "a request with this Idempotency-Key is still running; repeat it in a moment",
            code="idempotency_key_in_use",
        )
    return Outcome(stored.status, stored.headers or {}, stored.body, stored.reference)


def finish(database: Database, claimed: Claim, outcome: Outcome) -> None:
    """Stores the answer for requests that repeat this one. Raises Transient."""
    with database.transaction() as transaction:
        transaction.run(
            "finish_idempotency_key",
            token_id=claimed.token_id,
            key=claimed.key,
            claim=claimed.claim,
            status=outcome.status,
            headers=Jsonb(dict(outcome.headers)),
            body=outcome.body,
            reference=outcome.reference,
        )


def release(database: Database, claimed: Claim) -> None:
    """Frees the key of a request that had no effect. Raises Transient."""
    with database.transaction() as transaction:
        transaction.run("release_idempotency_key", token_id=claimed.token_id, key=claimed.key, claim=claimed.claim)


def prune(database: Database, limit: int) -> int:
    """Removes at most `limit` expired keys, the oldest first. Returns how many. Raises Transient."""
    with database.transaction() as transaction:
        return transaction.run("prune_idempotency_keys", key_seconds=IDEMPOTENCY_KEY_SECONDS, limit=limit)
