"""Webhooks: which URL receives which events, and with which secret they are signed.

Secrets, and the values of the customer's own headers, are sealed before they are stored: each for its own column of its
own webhook, and headers also for the server that gets them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.backends import Backends
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.sealing import Sealer, Unsealable
from chalicelib.errors import Conflict, NotFound, PreconditionFailed, Transient
from chalicelib.limits import SECRET_OVERLAP_SECONDS, WEBHOOKS_MAX, WRITE_ATTEMPTS_MAX
from chalicelib.messages import TurnMessage
from chalicelib.webhooks import own_headers, signatures
from chalicelib.webhooks.outbound.post import Outbound, Unsafe
from chalicelib.webhooks.outbound.urls import parse


@dataclass(frozen=True)
class Webhook:
    """A webhook as it is stored."""

    id: uuid.UUID
    url: str
    description: str
    events: list[str]
    """Types of events; `*` means all."""
    enabled: bool
    disabled_reason: str | None
    """Why we switched it off; None if it is on, or a person switched it off."""
    secret: bytes
    """Sealed, as the following two are."""
    old_secret: bytes | None
    headers: bytes | None
    """The customer's own headers, names and values."""
    old_secret_expires_at: datetime | None
    header_names: list[str]
    revision: int
    """The number of edits, plus one: the part of the ETag that If-Match compares."""
    quick: bool
    """Whether the last attempt succeeded quickly: only then several attempts run at the same time."""
    failing_since: datetime | None
    last_at: datetime | None
    """When the last attempt ended. None before the first one, as the following three are."""
    last_status_code: int | None
    last_milliseconds: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_rotating(self) -> bool:
        """Whether the old secret still signs."""
        expires_at = self.old_secret_expires_at
        return self.old_secret is not None and expires_at is not None and expires_at > datetime.now(UTC)

    @property
    def has_first_secret(self) -> bool:
        """Whether the secret was never rotated. A rotation sets when the old one expires, and nothing clears that."""
        return self.old_secret_expires_at is None


Expected = Callable[[Webhook], bool]
"""Whether the webhook is still as the caller has seen it."""
_Sealed = dict[str, Any]
"""Parameters of a query: values that are sealed, and what belongs to them."""


@dataclass(frozen=True)
class Sending:
    """What sending to customers requires: a safe way out to the internet, and the key that opens their secrets."""

    outbound: Outbound
    sealer: Sealer


@dataclass(frozen=True)
class NewWebhook:
    """A webhook to create."""

    url: str
    events: Sequence[str]
    description: str = ""
    enabled: bool = True
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WebhookChanges:
    """The fields to change; None keeps a field. In `headers`, a value of None keeps the stored value.

    Stored values cannot be kept if `url` leads to another server.
    """

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    enabled: bool | None = None
    headers: Mapping[str, str | None] | None = None


def create(database: Database, sending: Sending, new: NewWebhook) -> tuple[Webhook, str]:
    """Creates a webhook; returns it with its secret.

    Raises Unsafe for the URL, Invalid for a header, and Conflict when the maximum number of webhooks exists.
    """
    sending.outbound.check(new.url)
    headers = dict(new.headers or {})
    own_headers.check(headers)
    secret = signatures.new_secret()
    with database.transaction() as transaction:
        webhook_id = transaction.value("new_webhook_id", uuid.UUID)
    # Sealing may call KMS, so no transaction is open.
    sealed_secret = sending.sealer.seal(secret.encode(), _owner(webhook_id), "secret")
    sealed_headers = _sealed_headers(sending, webhook_id, new.url, headers)
    with database.transaction() as transaction:
        transaction.run("lock_webhooks")
        existing = count(transaction)
        if existing >= WEBHOOKS_MAX:
            message = f"there are already {existing} webhooks, which is the maximum; delete one first"
            raise Conflict(message, code="too_many_webhooks")
        created = transaction.row(
            "add_webhook",
            Webhook,
            id=webhook_id,
            url=new.url,
            description=new.description,
            events=list(new.events),
            enabled=new.enabled,
            secret=sealed_secret,
            **sealed_headers,
        )
    return created, secret


def count(transaction: Transaction) -> int:
    """The number of webhooks."""
    return transaction.value("count_webhooks", int)


def page(
    transaction: Transaction, limit: int, *, above: uuid.UUID | None = None, below: uuid.UUID | None = None
) -> list[Webhook]:
    """Returns up to `limit` webhooks, newest first: those next to an id, above or below it, or the newest."""
    if above is not None:
        return transaction.all("webhooks_above", Webhook, above=above, limit=limit)[::-1]
    return transaction.all("webhooks_below", Webhook, below=below, limit=limit)


def get(transaction: Transaction, webhook_id: uuid.UUID) -> Webhook:
    """One webhook. Raises NotFound."""
    webhook = transaction.one("find_webhook", Webhook, id=webhook_id)
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return webhook


def edit(
    backends: Backends, sending: Sending, webhook_id: uuid.UUID, changes: WebhookChanges, expected: Expected
) -> Webhook:
    """Writes the given fields. A webhook that is switched on is then sent its pending deliveries.

    Values that were sealed with an older key or format are sealed again.

    Raises NotFound, PreconditionFailed, Unsafe for the URL, Invalid for a header, and Transient.
    """
    if changes.url is not None:
        sending.outbound.check(changes.url)

    def write(transaction: Transaction, sealed: _Sealed) -> Webhook:
        return transaction.row(
            "change_webhook",
            Webhook,
            id=webhook_id,
            url=changes.url,
            description=changes.description,
            events=None if changes.events is None else list(changes.events),
            enabled=changes.enabled,
            **sealed,
        )

    changed = _rewritten(
        backends.database, webhook_id, expected, lambda seen: _changed_values(sending, seen, changes), write
    )
    if changes.enabled:
        backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return changed


def delete(database: Database, webhook_id: uuid.UUID, expected: Expected) -> None:
    """Deletes a webhook and the log of its deliveries. Raises NotFound, PreconditionFailed."""
    with database.transaction() as transaction:
        _locked(transaction, webhook_id, expected)
        transaction.run("delete_webhook", id=webhook_id)


def rotate_secret(database: Database, sending: Sending, webhook_id: uuid.UUID) -> tuple[Webhook, str]:
    """Creates a new secret and returns it with the webhook; for a day the old one signs too.

    An old secret that does not open is dropped: the key may be lost, and that may be why the secret is rotated. Raises
    NotFound, Transient.
    """
    secret = signatures.new_secret()

    def sealed(seen: Webhook) -> _Sealed:
        new = sending.sealer.seal(secret.encode(), _owner(webhook_id), "secret")
        return {"secret": new, "old_secret": _moved(sending, seen, seen.secret, "secret", "old_secret")}

    def write(transaction: Transaction, sealed: _Sealed) -> Webhook:
        overlap = SECRET_OVERLAP_SECONDS
        return transaction.row("rotate_secret", Webhook, id=webhook_id, overlap_seconds=overlap, **sealed)

    return _rewritten(database, webhook_id, lambda _: True, sealed, write), secret


def secrets_of(sending: Sending, webhook: Webhook) -> list[str]:
    """The secrets that sign now, the newest first. Raises Unsealable if the newest does not open, and Transient."""
    owner = _owner(webhook.id)
    secrets = [sending.sealer.open(webhook.secret, owner, "secret").decode()]
    if webhook.old_secret is not None and webhook.is_rotating:
        with suppress(Unsealable):  # The new secret signs, and that is enough.
            secrets.append(sending.sealer.open(webhook.old_secret, owner, "old_secret").decode())
    return secrets


def headers_of(sending: Sending, webhook: Webhook) -> dict[str, str]:
    """The customer's own headers. Raises Unsealable, Transient."""
    if webhook.headers is None:
        return {}
    field = _headers_field(webhook.url)
    opened: dict[str, str] = json.loads(sending.sealer.open(webhook.headers, _owner(webhook.id), field))
    return opened


def _rewritten(
    database: Database,
    webhook_id: uuid.UUID,
    expected: Expected,
    sealed: Callable[[Webhook], _Sealed],
    write: Callable[[Transaction, _Sealed], Webhook],
) -> Webhook:
    """Seals values that depend on the webhook as it is, and writes them only if no other edit came in between.

    Sealing and opening may call KMS, so no transaction is open in the meantime.
    """
    for _ in range(WRITE_ATTEMPTS_MAX):
        with database.transaction() as transaction:
            seen = get(transaction, webhook_id)
        _refuse_unexpected(seen, expected)
        values = sealed(seen)
        with database.transaction() as transaction:
            locked = _locked(transaction, webhook_id, expected)
            if locked.revision == seen.revision:
                return write(transaction, values)
    raise Transient(f"other requests keep changing webhook {webhook_id}")


def _locked(transaction: Transaction, webhook_id: uuid.UUID, expected: Expected) -> Webhook:
    webhook = transaction.one("lock_webhook", Webhook, id=webhook_id)
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    _refuse_unexpected(webhook, expected)
    return webhook


def _refuse_unexpected(webhook: Webhook, expected: Expected) -> None:
    if not expected(webhook):
        raise PreconditionFailed(
            f"webhook {webhook.id} has been changed since you read it; read it again and repeat your change"
        )


def _changed_values(sending: Sending, seen: Webhook, changes: WebhookChanges) -> _Sealed:
    """What an edit writes into the sealed columns; None keeps a column. Raises Invalid, Transient."""
    url = changes.url or seen.url
    own_headers.check_destination(seen.url, url, seen.header_names, changes.headers)
    values = _resealed(sending, seen)
    if changes.headers is not None:
        stored = _stored_headers(sending, seen) if None in changes.headers.values() else {}
        values |= _sealed_headers(sending, seen.id, url, own_headers.merged(changes.headers, stored))
    return values


def _stored_headers(sending: Sending, webhook: Webhook) -> dict[str, str]:
    try:
        return headers_of(sending, webhook)
    except Unsealable:
        raise own_headers.bad_headers("the stored values can no longer be read; enter all of them again") from None


def _sealed_headers(sending: Sending, webhook_id: uuid.UUID, url: str, headers: Mapping[str, str]) -> _Sealed:
    sealed = None
    if headers:
        sealed = sending.sealer.seal(json.dumps(headers).encode(), _owner(webhook_id), _headers_field(url))
    return {"header_names": list(headers), "headers": sealed}


def _resealed(sending: Sending, webhook: Webhook) -> _Sealed:
    """Seals again what an earlier version, or an older key, has sealed. None for all other values."""

    def again(sealed: bytes | None, field: str) -> bytes | None:
        if sealed is None or sending.sealer.is_current(sealed):
            return None
        return _moved(sending, webhook, sealed, field, field)

    return {
        "secret": again(webhook.secret, "secret"),
        "old_secret": again(webhook.old_secret, "old_secret"),
        "header_names": None,
        "headers": again(webhook.headers, _headers_field(webhook.url)),
    }


def _moved(sending: Sending, webhook: Webhook, sealed: bytes, source: str, target: str) -> bytes | None:
    """Opens a value and seals it for another field, or newly for its own. None if it does not open."""
    owner = _owner(webhook.id)
    try:
        return sending.sealer.seal(sending.sealer.open(sealed, owner, source), owner, target)
    except Unsealable:
        return None


def _owner(webhook_id: uuid.UUID) -> str:
    return f"webhook:{webhook_id}"


def _headers_field(url: str) -> str:
    """With another destination in their row, headers do not open."""
    try:
        scheme, host, port = parse(url).destination
    except Unsafe:  # The rules may have become stricter since the URL was stored. Nothing is sent there.
        return f"headers for {url}"
    return f"headers for {scheme}://{host}:{port}"
