"""Webhooks: who is told of which events, where, and with which secret.

Secrets, and the values of the customer's own headers, are sealed before they are stored, each for its webhook alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import DictRow

from chalicelib.backends import Backends
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.sealing import Sealer, Unsealable
from chalicelib.errors import Conflict, FieldError, Invalid, NotFound, PreconditionFailed
from chalicelib.limits import SECRET_OVERLAP_SECONDS, WEBHOOKS_MAX
from chalicelib.messages import TurnMessage
from chalicelib.webhooks import signatures
from chalicelib.webhooks.outbound.post import Outbound
from chalicelib.webhooks.outbound.urls import Unsafe, check_headers

RESERVED_HEADERS = frozenset({"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""Headers that each delivery has of its own, beside those of the connection, in lower case."""

Expected = Callable[[DictRow], bool]
"""Whether the webhook is still as whoever wants to write it has seen it."""


@dataclass(frozen=True)
class Sending:
    """What it takes to send to customers: a way out that is safe, and the key to their secrets."""

    outbound: Outbound
    sealer: Sealer


@dataclass(frozen=True)
class NewWebhook:
    """All that people choose of a webhook."""

    url: str
    events: Sequence[str]
    description: str = ""
    enabled: bool = True
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WebhookChanges:
    """What an edit writes; None leaves a field alone. Of `headers`, a value that is None keeps what is stored."""

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    enabled: bool | None = None
    headers: Mapping[str, str | None] | None = None


def create(database: Database, sending: Sending, new: NewWebhook) -> tuple[DictRow, str]:
    """A new webhook, and its secret. Raises Unsafe for its URL or a header, Conflict when there are too many."""
    sending.outbound.check(new.url)
    headers = dict(new.headers or {})
    _check_headers(headers)
    secret = signatures.new_secret()
    with database.transaction() as transaction:
        transaction.run("lock_webhooks")
        counted = transaction.one("count_webhooks")
        if counted is not None and counted["total"] >= WEBHOOKS_MAX:
            message = f"there are {counted['total']} webhooks, as many as there may be; delete one first"
            raise Conflict(message, code="too_many_webhooks")
        taken = transaction.one("new_webhook_id")
        assert taken is not None
        webhook_id: uuid.UUID = taken["id"]
        made = transaction.one(
            "add_webhook",
            id=webhook_id,
            url=new.url,
            description=new.description,
            events=list(new.events),
            enabled=new.enabled,
            secret=sending.sealer.seal(secret.encode(), _context(webhook_id)),
            **_sealed_headers(sending, webhook_id, headers),
        )
        assert made is not None
    return made, secret


def get(transaction: Transaction, webhook_id: uuid.UUID) -> DictRow:
    """One webhook. Raises NotFound."""
    found = transaction.one("find_webhook", id=webhook_id)
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return found


def edit(
    backends: Backends, sending: Sending, webhook_id: uuid.UUID, changes: WebhookChanges, expected: Expected
) -> DictRow:
    """Writes what is given; one that is switched on gets what waits. Raises NotFound, PreconditionFailed, Unsafe."""
    if changes.url is not None:
        sending.outbound.check(changes.url)
    with backends.database.transaction() as transaction:
        locked = _locked(transaction, webhook_id, expected)
        changed = transaction.one(
            "change_webhook",
            id=webhook_id,
            url=changes.url,
            description=changes.description,
            events=None if changes.events is None else list(changes.events),
            enabled=changes.enabled,
            **_changed_headers(sending, locked, changes.headers),
        )
    assert changed is not None
    if changes.enabled:
        backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return changed


def delete(database: Database, webhook_id: uuid.UUID, expected: Expected) -> None:
    """Deletes a webhook with the log of its deliveries. Raises NotFound, PreconditionFailed."""
    with database.transaction() as transaction:
        _locked(transaction, webhook_id, expected)
        transaction.run("delete_webhook", id=webhook_id)


def rotate_secret(database: Database, sending: Sending, webhook_id: uuid.UUID) -> tuple[DictRow, str]:
    """A new secret; the one it replaces signs along for a day. Raises NotFound."""
    secret = signatures.new_secret()
    with database.transaction() as transaction:
        get(transaction, webhook_id)
        sealed = sending.sealer.seal(secret.encode(), _context(webhook_id))
        rotated = transaction.one("rotate_secret", id=webhook_id, secret=sealed, overlap_seconds=SECRET_OVERLAP_SECONDS)
    assert rotated is not None
    return rotated, secret


def secrets_of(sending: Sending, found: DictRow) -> list[str]:
    """The secrets that sign now, the newest first. Raises Unsealable for the newest, Transient."""

    def opened(sealed: bytes) -> str:
        return sending.sealer.open(bytes(sealed), _context(found["id"])).decode()

    secrets = [opened(found["secret"])]
    if is_rotating(found):
        with suppress(Unsealable):  # A lost key is the reason to rotate, too.
            secrets.append(opened(found["old_secret"]))
    return secrets


def headers_of(sending: Sending, found: DictRow) -> dict[str, str]:
    """The customer's own headers. Raises Unsealable, Transient."""
    if found["headers"] is None:
        return {}
    opened: dict[str, str] = json.loads(sending.sealer.open(bytes(found["headers"]), _context(found["id"])))
    return opened


def is_rotating(found: DictRow) -> bool:
    """Whether the secret before this one still signs."""
    return found["old_secret"] is not None and found["old_secret_expires_at"] > datetime.now(UTC)


def _locked(transaction: Transaction, webhook_id: uuid.UUID, expected: Expected) -> DictRow:
    locked = transaction.one("lock_webhook", id=webhook_id)
    if locked is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    if not expected(locked):
        raise PreconditionFailed(
            f"webhook {webhook_id} has been changed since it was read; read it again and repeat the change"
        )
    return locked


def _changed_headers(sending: Sending, locked: DictRow, headers: Mapping[str, str | None] | None) -> dict[str, Any]:
    if headers is None:
        return {"header_names": None, "headers": None}
    stored = _stored_headers(sending, locked) if None in headers.values() else {}
    unknown = [name for name, value in headers.items() if value is None and name not in stored]
    if unknown:
        raise _bad_headers(f"the header {unknown[0]} has no value yet, so there is none to keep")
    kept = {name: stored[name] if value is None else value for name, value in headers.items()}
    _check_headers(kept)
    return _sealed_headers(sending, locked["id"], kept)


def _stored_headers(sending: Sending, locked: DictRow) -> dict[str, str]:
    try:
        return headers_of(sending, locked)
    except Unsealable:
        raise _bad_headers("the values of the headers cannot be read any more: give all of them again") from None


def _sealed_headers(sending: Sending, webhook_id: uuid.UUID, headers: Mapping[str, str]) -> dict[str, Any]:
    sealed = sending.sealer.seal(json.dumps(headers).encode(), _context(webhook_id)) if headers else None
    return {"header_names": list(headers), "headers": sealed}


def _check_headers(headers: Mapping[str, str]) -> None:
    lowered = [name.lower() for name in headers]
    for name in headers:
        if name.lower() in RESERVED_HEADERS:
            raise _bad_headers(f"the header {name} is one that every delivery has: leave it out")
        if lowered.count(name.lower()) > 1:
            raise _bad_headers(f"the header {name} stands twice")
    try:
        check_headers(headers)
    except Unsafe as error:
        raise _bad_headers(str(error)) from None


def _bad_headers(message: str) -> Invalid:
    return Invalid(message, errors=(FieldError("/headers", message),))


def _context(webhook_id: uuid.UUID) -> str:
    return f"webhook:{webhook_id}"
