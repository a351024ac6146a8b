"""Deliveries as customers see them: the log, tests on demand, and sending again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb

from chalicelib import events
from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.errors import Conflict, NotFound
from chalicelib.fault_points import fault_point
from chalicelib.limits import ATTEMPTS_SHOWN_MAX, DELIVERIES_COUNT_MAX, REDELIVERED_MAX
from chalicelib.messages import TurnMessage
from chalicelib.webhooks import webhooks

Status = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True)
class _OfEvent:
    """A delivery's event."""

    event_id: uuid.UUID
    event_type: str
    payload: dict[str, Any]
    event_created_at: datetime

    @property
    def event(self) -> events.Event:
        """The event that is delivered."""
        return events.Event(self.event_id, self.event_type, self.payload, self.event_created_at)


@dataclass(frozen=True)
class Delivery(_OfEvent):
    """One event for one webhook, as it is stored."""

    id: uuid.UUID
    webhook_id: uuid.UUID
    webhook_enabled: bool
    status: Status
    test: bool
    attempts: int
    """How many have ended, over all the times that it was sent again."""
    due_at: datetime
    """When the next attempt is due, while the status is pending."""
    created_at: datetime
    finished_at: datetime | None
    last_status_code: int | None
    """Of the last attempt, as the following two are."""
    last_milliseconds: int | None
    last_error: str | None

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the next attempt is due; None if there is none, or if it waits for the webhook to be switched on."""
        waits = self.status == "pending" and (self.webhook_enabled or self.test)
        return self.due_at if waits else None


@dataclass(frozen=True)
class ClaimedDelivery(_OfEvent):
    """A delivery that a sender has claimed, to attempt it now."""

    id: uuid.UUID
    webhook_id: uuid.UUID
    test: bool
    claims: int
    """How often it has been claimed: a result is recorded only if this has not changed."""
    tries: int
    """How many attempts of the current schedule have ended; sending again starts at 0."""


@dataclass(frozen=True)
class Attempt:
    """One attempt in the log of a delivery."""

    number: int
    started_at: datetime
    milliseconds: int
    status_code: int | None
    error: str | None
    request_headers: dict[str, str]
    response_body: bytes | None
    """The beginning of the response."""


def get(transaction: Transaction, delivery_id: uuid.UUID) -> Delivery:
    """One delivery with its event. Raises NotFound."""
    delivery = transaction.one("find_delivery", Delivery, id=delivery_id)
    if delivery is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return delivery


def page(
    transaction: Transaction,
    webhook_id: uuid.UUID,
    status: Status | None,
    limit: int,
    *,
    above: uuid.UUID | None = None,
    below: uuid.UUID | None = None,
) -> list[Delivery]:
    """Returns up to `limit` deliveries of a webhook, newest first: next to an id, above or below it, or the newest.

    With `status`, only deliveries with this status.
    """
    wanted = {"webhook_id": webhook_id, "status": status, "limit": limit}
    if above is not None:
        return transaction.all("deliveries_above", Delivery, above=above, **wanted)[::-1]
    return transaction.all("deliveries_below", Delivery, below=below, **wanted)


def count(transaction: Transaction, webhook_id: uuid.UUID, status: Status | None) -> int:
    """The number of deliveries of a webhook with this status; DELIVERIES_COUNT_MAX + 1 means at least that many."""
    limit = DELIVERIES_COUNT_MAX + 1
    return transaction.value("count_deliveries", int, webhook_id=webhook_id, status=status, limit=limit)


def attempts(transaction: Transaction, delivery_id: uuid.UUID) -> list[Attempt]:
    """The attempts at a delivery, newest first, up to ATTEMPTS_SHOWN_MAX."""
    return transaction.all("delivery_attempts", Attempt, id=delivery_id, limit=ATTEMPTS_SHOWN_MAX)


def send_test(backends: Backends, webhook_id: uuid.UUID) -> Delivery:
    """Sends a test event to one webhook, even if it is off: one attempt, ahead of all others. Raises NotFound."""
    with backends.database.transaction() as transaction:
        webhook = webhooks.get(transaction, webhook_id)
        event_id = transaction.value(
            "add_relayed_event",
            uuid.UUID,
            dedupe_key=f"{events.TEST_TYPE}:{uuid.uuid4()}",
            type=events.TEST_TYPE,
            payload=Jsonb({"webhook_id": str(webhook.id), "message": "This is a test."}),
        )
        try:
            delivery_id = transaction.value("add_test_delivery", uuid.UUID, webhook_id=webhook_id, event_id=event_id)
        except ForeignKeyViolation:  # The webhook was deleted between two of our statements.
            raise NotFound(f"there is no webhook {webhook_id}") from None
        delivery = get(transaction, delivery_id)
    fault_point("delivery.before_wake")
    backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return delivery


def redeliver(backends: Backends, delivery_id: uuid.UUID) -> Delivery:
    """Sends a delivery again, with the same event id. Raises NotFound, and Conflict while it is pending."""
    with backends.database.transaction() as transaction:
        delivery = get(transaction, delivery_id)
        if not delivery.webhook_enabled and not delivery.test:
            raise _disabled()
        if not transaction.run("redeliver", id=delivery_id):
            get(transaction, delivery_id)  # It may have been deleted between two of our statements.
            raise Conflict("the delivery is still pending; wait until its attempts have ended", code="delivery_pending")
        pending = get(transaction, delivery_id)
    backends.queues.send("deliveries", [TurnMessage(webhook=delivery.webhook_id)])
    return pending


def redeliver_failed(backends: Backends, webhook_id: uuid.UUID, since: datetime) -> int:
    """Sends failed deliveries that were created since then again, the oldest first; returns how many.

    At most REDELIVERED_MAX. Raises NotFound, and Conflict while the webhook is off.
    """
    with backends.database.transaction() as transaction:
        webhook = webhooks.get(transaction, webhook_id)
        if not webhook.enabled:
            raise _disabled()
        redelivered = transaction.run("redeliver_failed", webhook_id=webhook_id, since=since, limit=REDELIVERED_MAX)
    if redelivered:
        backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return redelivered


def _disabled() -> Conflict:
    return Conflict("the webhook is switched off; switch it on first", code="webhook_disabled")
