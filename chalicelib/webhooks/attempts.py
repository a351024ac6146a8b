"""Sends deliveries to one webhook, one attempt after the other.

A turn is what one message of the queue gives a webhook: a function makes attempts at whatever is due there, for up to
DELIVERY_TURN_SECONDS. Then it sends a new message, so that other webhooks get their turns before this one continues.

Each attempt has three steps: claim, send, record. Claiming and recording are transactions; no transaction is open
while something is sent. A claim is a lease: if a sender is killed, another one may take the delivery after the lease
ends, and the receiver may get the message twice, with the same id. Two attempts at one delivery never run at the same
time, unless one takes longer than the time-outs allow; then only the later one is recorded.

A webhook that is slow or down gets one attempt at a time, so it cannot occupy the functions that the others need.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom

from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.queues import Queues
from chalicelib.fault_points import fault_point
from chalicelib.limits import (
    DELAYED_MESSAGE_SECONDS_MAX,
    DELIVERY_LEASE_SECONDS,
    DELIVERY_TURN_SECONDS,
    FAILING_SECONDS_MAX,
    INVOCATION_RESERVE_SECONDS,
    QUICK_MILLISECONDS,
    SWEEP_WEBHOOKS_MAX,
    WEBHOOK_CONCURRENT_MAX,
)
from chalicelib.messages import TurnMessage
from chalicelib.telemetry import WARNING
from chalicelib.webhooks import retry_schedule
from chalicelib.webhooks.deliveries import ClaimedDelivery, Status
from chalicelib.webhooks.retry_schedule import Verdict
from chalicelib.webhooks.sender import Attempt, send
from chalicelib.webhooks.webhooks import Sending, Webhook

FAILING_REASON = "Every delivery failed for five days."

_random = SystemRandom()


@dataclass(frozen=True)
class _Claimed:
    """A delivery to attempt now, and its webhook."""

    delivery: ClaimedDelivery
    webhook: Webhook


@dataclass(frozen=True)
class _Recorded:
    attempts: int
    """How many attempts at the delivery have ended."""


@dataclass(frozen=True)
class _DueWebhook:
    id: uuid.UUID


def take_turn(backends: Backends, sending: Sending, webhook_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Attempts the deliveries that are due at a webhook, until none is left or its turn ends. Raises Transient."""
    turn_ends = time.monotonic() + DELIVERY_TURN_SECONDS
    with backends.database.transaction() as transaction:
        claimed = _claim(transaction, webhook_id)
    while claimed is not None:
        fault_point("delivery.after_claim")
        attempt = send(sending, claimed.webhook, claimed.delivery.event)
        fault_point("delivery.after_send")
        continues = time.monotonic() < turn_ends and seconds_left() > INVOCATION_RESERVE_SECONDS
        delay, following = _record(backends.database, claimed, attempt, continues=continues)
        fault_point("delivery.after_record")
        if delay is not None and delay <= DELAYED_MESSAGE_SECONDS_MAX:
            backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)], delay_seconds=int(delay) + 1)
        if not continues:
            backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
        claimed = following


def wake_due(database: Database, queues: Queues) -> None:
    """For the sweep: gives a turn to each webhook that has a delivery due and no sender at work."""
    with database.transaction() as transaction:
        due = transaction.all("due_webhooks", _DueWebhook, limit=SWEEP_WEBHOOKS_MAX)
    queues.send("deliveries", [TurnMessage(webhook=each.id) for each in due])


def _claim(transaction: Transaction, webhook_id: uuid.UUID) -> _Claimed | None:
    webhook = transaction.one("lock_webhook", Webhook, id=webhook_id)
    if webhook is None:
        return None  # It was deleted, and its deliveries with it.
    delivery = transaction.one(
        "claim_delivery",
        ClaimedDelivery,
        webhook_id=webhook_id,
        enabled=webhook.enabled,
        concurrent_max=WEBHOOK_CONCURRENT_MAX if webhook.quick else 1,
        lease_seconds=DELIVERY_LEASE_SECONDS,
    )
    return None if delivery is None else _Claimed(delivery, webhook)


def _record(
    database: Database, claimed: _Claimed, attempt: Attempt, *, continues: bool
) -> tuple[float | None, _Claimed | None]:
    """Records an attempt. Returns the seconds until the next one, and the delivery that the turn continues with."""
    delivery = claimed.delivery
    delay = _delay(delivery, attempt)
    with database.transaction() as transaction:
        # The webhook is locked before its delivery, as it is when claiming.
        transaction.run("lock_webhook", id=delivery.webhook_id)
        recorded = transaction.one(
            "end_attempt",
            _Recorded,
            id=delivery.id,
            claims=delivery.claims,
            status=_status(attempt.verdict, delay),
            delay_seconds=delay,
            **attempt.result,
        )
        if recorded is None:
            return None, None  # The lease has ended and another sender has claimed it, or the webhook is gone.
        _log(transaction, claimed, attempt)
        _add_attempt(transaction, delivery, recorded.attempts, attempt)
        if delivery.test:
            transaction.run("note_test", id=delivery.webhook_id, **attempt.result)
        else:
            _judge_webhook(transaction, claimed.webhook, attempt)
        following = _claim(transaction, delivery.webhook_id) if continues else None
        fault_point("delivery.before_commit")
    return delay, following


def _delay(delivery: ClaimedDelivery, attempt: Attempt) -> float | None:
    """Seconds until the next attempt; None if there is none: delivered, gone, a test, or the last of the schedule."""
    if attempt.verdict is not Verdict.FAILED or delivery.test:
        return None
    asked = attempt.response.headers.get("retry-after") if attempt.response else None
    return retry_schedule.next_delay(delivery.tries + 1, asked, datetime.now(UTC), _random)


def _status(verdict: Verdict, delay: float | None) -> Status:
    if verdict is Verdict.DELIVERED:
        return "delivered"
    return "failed" if delay is None else "pending"


def _log(transaction: Transaction, claimed: _Claimed, attempt: Attempt) -> None:
    delivered = attempt.verdict is Verdict.DELIVERED
    transaction.log(
        "webhook delivered" if delivered else "webhook not delivered",
        webhook_id=claimed.delivery.webhook_id,
        delivery_id=claimed.delivery.id,
        event_id=claimed.delivery.event_id,
        try_number=claimed.delivery.tries + 1,
        status_code=attempt.status_code,
        reason=attempt.error,
        measured={"DeliveryMilliseconds": attempt.milliseconds, "DeliveriesFailed": int(not delivered)},
    )


def _add_attempt(transaction: Transaction, delivery: ClaimedDelivery, number: int, attempt: Attempt) -> None:
    transaction.run(
        "add_attempt",
        id=delivery.id,
        number=number,
        started_at=attempt.started_at,
        request_headers=Jsonb(attempt.request_headers),
        response_body=attempt.response_body,
        **attempt.result,
    )


def _judge_webhook(transaction: Transaction, webhook: Webhook, attempt: Attempt) -> None:
    """Records the result at the webhook, and switches it off if it is gone or has failed for too long."""
    if attempt.verdict is Verdict.DELIVERED:
        transaction.run(
            "note_success",
            id=webhook.id,
            status_code=attempt.status_code,
            milliseconds=attempt.milliseconds,
            quick_milliseconds=QUICK_MILLISECONDS,
        )
        return
    gone = attempt.verdict is Verdict.GONE
    enabled = transaction.value(
        "note_failure",
        bool,
        id=webhook.id,
        gone=gone,
        failing_seconds_max=FAILING_SECONDS_MAX,
        failing_reason=FAILING_REASON,
        **attempt.result,
    )
    if webhook.enabled and not enabled:
        transaction.log("webhook switched off", level=WARNING, webhook_id=webhook.id, gone=gone)
