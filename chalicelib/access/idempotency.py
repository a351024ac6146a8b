"""Idempotency keys: the first request with a key claims it and leaves its answer there for those that repeat it.

The claim is a row of its own, committed before the work begins, so that of two requests at once one runs. A request
that is killed on the way keeps its key claimed for a minute; whether it had its effect is then unknown, and the next
one runs: here the promise is at least once, not exactly once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from chalicelib.backends.database import Database
from chalicelib.errors import Conflict, Invalid
from chalicelib.limits import IDEMPOTENCY_CLAIM_SECONDS, IDEMPOTENCY_KEY_SECONDS, SWEEP_IDEMPOTENCY_KEYS_MAX


@dataclass(frozen=True)
class Outcome:
    """The answer of a request that was carried out: its `body`, or the `reference` from which it can be built anew."""

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


def claim(database: Database, token_id: uuid.UUID, key: str, request_sha256: bytes) -> Claim | Outcome:
    """The right to carry out the request, or how it ended the first time.

    Raises Invalid when the key came with another request, Conflict while that request runs, Transient.
    """
    with database.transaction() as transaction:
        claimed = transaction.one(
            "claim_idempotency_key",
            token_id=token_id,
            key=key,
            request_sha256=request_sha256,
            key_seconds=IDEMPOTENCY_KEY_SECONDS,
            claim_seconds=IDEMPOTENCY_CLAIM_SECONDS,
        )
        if claimed is not None:
            return Claim(token_id, key, claimed["claim"])
        found = transaction.one("find_idempotency_key", token_id=token_id, key=key)
    if found is not None and bytes(found["request_sha256"]) != request_sha256:
        raise Invalid(
            "this Idempotency-Key was sent with another request before; take a new key for a new request",
            code="idempotency_key_reused",
        )
    if found is None or found["status"] is None:  # It runs, or was released between our two statements.
        raise Conflict(
            "a request with this Idempotency-Key is being carried out; repeat it in a moment",
            code="idempotency_key_in_use",
        )
    return Outcome(found["status"], found["headers"], found["body"], found["reference"])


def finish(database: Database, claimed: Claim, outcome: Outcome) -> None:
    """Keeps the answer for those that repeat the request. Raises Transient."""
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


def prune(database: Database) -> None:
    """Forgets some of the keys that are out of date; the next sweep goes on. Raises Transient."""
    with database.transaction() as transaction:
        transaction.run("prune_idempotency_keys", key_seconds=IDEMPOTENCY_KEY_SECONDS, limit=SWEEP_IDEMPOTENCY_KEYS_MAX)
