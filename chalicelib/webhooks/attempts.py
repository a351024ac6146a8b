"""Delivers events to one webhook, one attempt after the other, for as long as its turn lasts.

An attempt is claimed, made and recorded; claiming and recording are transactions, and no transaction is open while
something is sent. A claim is a lease: if whoever holds it is killed, another may take the delivery when it is over, and
the receiver may get the message twice, with the same id. Two attempts at one delivery never run at the same time,
unless one takes longer than anything may; then only the later one is recorded.

A webhook that is slow or down gets one attempt at a time, so it cannot hold the workers that the others need.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib import events
from chalicelib.backends import Backends
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.queues import Queues
from chalicelib.backends.sealing import Unsealable
from chalicelib.fault_points import fault_point
from chalicelib.limits import (
    DELAYED_MESSAGE_SECONDS_MAX,
    DELIVERY_LEASE_SECONDS,
    DELIVERY_TURN_SECONDS,
    FAILING_SECONDS_MAX,
    INVOCATION_RESERVE_SECONDS,
    QUICK_MILLISECONDS,
    RESPONSE_BYTES_KEPT,
    SECRET_CHARACTERS_MIN,
    SWEEP_WEBHOOKS_MAX,
    WEBHOOK_CONCURRENT_MAX,
)
from chalicelib.messages import TurnMessage
from chalicelib.telemetry import WARNING
from chalicelib.webhooks import retry_schedule, signatures, webhooks
from chalicelib.webhooks.outbound.post import Answer, Unreachable, Unsafe
from chalicelib.webhooks.retry_schedule import Verdict
from chalicelib.webhooks.webhooks import Sending

USER_AGENT = "Product-Importer-Webhooks/1"
FAILING_REASON = "Nothing could be delivered for five days."
HIDDEN = "(hidden)"
"""What the log shows in place of the customer's own values and of signatures, which are good for five minutes more."""

_random = SystemRandom()


@dataclass(frozen=True)
class _Claimed:
    """One delivery, to be attempted now, and its webhook."""

    delivery: DictRow
    webhook: DictRow


@dataclass(frozen=True)
class _Attempt:
    """How an attempt went."""

    started_at: datetime
    milliseconds: int
    request_headers: dict[str, str]
    answer: Answer | None = None
    error: str | None = None
    response_body: bytes | None = None
    """The beginning of the answer, as the log may show it."""

    @property
    def verdict(self) -> Verdict:
        """What it led to."""
        return retry_schedule.judge(self.answer.status if self.answer else None)


def take_turn(backends: Backends, sending: Sending, webhook_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Attempts what is due at a webhook until nothing is; after its turn, a message goes on. Raises Transient."""
    turn_ends = time.monotonic() + DELIVERY_TURN_SECONDS
    with backends.database.transaction() as transaction:
        claimed = _claim(transaction, webhook_id)
    while claimed is not None:
        fault_point("delivery.after_claim")
        attempt = _make(sending, claimed)
        fault_point("delivery.after_send")
        goes_on = time.monotonic() < turn_ends and seconds_left() > INVOCATION_RESERVE_SECONDS
        delay, following = _record(backends.database, claimed, attempt, goes_on=goes_on)
        fault_point("delivery.after_record")
        if delay is not None and delay <= DELAYED_MESSAGE_SECONDS_MAX:
            backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)], delay_seconds=int(delay) + 1)
        if not goes_on:
            backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
        claimed = following


def wake_due(database: Database, queues: Queues) -> None:
    """For the sweep: webhooks that have something due and nobody at work get their turns."""
    with database.transaction() as transaction:
        due = transaction.all("due_webhooks", limit=SWEEP_WEBHOOKS_MAX)
    queues.send("deliveries", [TurnMessage(webhook=each["id"]) for each in due])


def _claim(transaction: Transaction, webhook_id: uuid.UUID) -> _Claimed | None:
    webhook = transaction.one("lock_webhook", id=webhook_id)
    if webhook is None:
        return None  # It was deleted, and its deliveries with it.
    delivery = transaction.one(
        "claim_delivery",
        webhook_id=webhook_id,
        enabled=webhook["enabled"],
        concurrent_max=WEBHOOK_CONCURRENT_MAX if webhook["quick"] else 1,
        lease_seconds=DELIVERY_LEASE_SECONDS,
    )
    return None if delivery is None else _Claimed(delivery, webhook)


def _make(sending: Sending, claimed: _Claimed) -> _Attempt:
    """One attempt. Nothing that goes wrong with it is raised but Transient: it is what the log is for."""
    started_at, began = datetime.now(UTC), time.monotonic()
    shown: dict[str, str] = {}
    answer, error, response_body = None, None, None
    try:
        body = events.body(claimed.delivery)
        own = webhooks.headers_of(sending, claimed.webhook)
        signed = signatures.sign(
            webhooks.secrets_of(sending, claimed.webhook),
            str(claimed.delivery["event_id"]),
            int(started_at.timestamp()),
            body,
        )
        ours = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
        shown = {**dict.fromkeys(own, HIDDEN), **ours, signatures.SIGNATURE_HEADER: HIDDEN}
        answer = sending.outbound.post(claimed.webhook["url"], {**own, **ours}, body)
        hidden = [*own.values(), signed[signatures.SIGNATURE_HEADER]]
        response_body = _without(answer.body, hidden)[:RESPONSE_BYTES_KEPT]
        if not 200 <= answer.status < 300:
            error = f"the receiver answered {answer.status}, which is not from 200 to 299"
    except (Unreachable, Unsafe, Unsealable) as failure:
        error = str(failure)
    milliseconds = round((time.monotonic() - began) * 1000)
    return _Attempt(started_at, milliseconds, shown, answer, error, response_body)


def _without(body: bytes, values: Iterable[str]) -> bytes:
    """What a receiver said, where it quotes what it was sent: «unknown key …». Short words are no secrets."""
    words = {word for value in values for word in value.split(" ") if len(word) >= SECRET_CHARACTERS_MIN}
    for word in sorted(words, key=len, reverse=True):  # One may be part of another.
        for form in (word, json.dumps(word)[1:-1]):
            body = body.replace(form.encode(), HIDDEN.encode())
    return body


def _record(
    database: Database, claimed: _Claimed, attempt: _Attempt, *, goes_on: bool
) -> tuple[float | None, _Claimed | None]:
    """Writes down an attempt and, if the turn goes on, claims the next delivery. Returns the delay of the retry too."""
    delivery, verdict = claimed.delivery, attempt.verdict
    status = attempt.answer.status if attempt.answer else None
    delay = _delay(delivery, attempt)
    ended = "delivered" if verdict is Verdict.DELIVERED else "failed" if delay is None else "pending"
    told = {"status_code": status, "milliseconds": attempt.milliseconds, "error": attempt.error}
    with database.transaction() as transaction:
        # The webhook before its delivery, as when claiming.
        transaction.run("lock_webhook", id=delivery["webhook_id"])
        recorded = transaction.one(
            "end_attempt", id=delivery["id"], claims=delivery["claims"], status=ended, delay_seconds=delay, **told
        )
        if recorded is None:
            return None, None  # Its lease was over, or its webhook is gone: somebody else has it.
        _tell(transaction, claimed, attempt)
        transaction.run("add_attempt", id=delivery["id"], number=recorded["attempts"], **_logged(attempt), **told)
        if not delivery["test"]:
            _judge_webhook(transaction, claimed.webhook, verdict, told)
        following = _claim(transaction, delivery["webhook_id"]) if goes_on else None
        fault_point("delivery.before_commit")
    return delay, following


def _tell(transaction: Transaction, claimed: _Claimed, attempt: _Attempt) -> None:
    delivered = attempt.verdict is Verdict.DELIVERED
    transaction.tell(
        "webhook delivered" if delivered else "webhook not delivered",
        webhook_id=claimed.delivery["webhook_id"],
        delivery_id=claimed.delivery["id"],
        event_id=claimed.delivery["event_id"],
        try_number=claimed.delivery["tries"] + 1,
        status_code=attempt.answer.status if attempt.answer else None,
        reason=attempt.error,
        measured={"DeliveryMilliseconds": attempt.milliseconds, "DeliveriesFailed": int(not delivered)},
    )


def _delay(delivery: DictRow, attempt: _Attempt) -> float | None:
    """Seconds until the next attempt; None when there is none: delivered, given up, unwanted, or a test."""
    if attempt.verdict is not Verdict.FAILED or delivery["test"]:
        return None
    asked = attempt.answer.headers.get("retry-after") if attempt.answer else None
    return retry_schedule.next_delay(delivery["tries"] + 1, asked, datetime.now(UTC), _random)


def _judge_webhook(transaction: Transaction, webhook: DictRow, verdict: Verdict, told: dict[str, Any]) -> None:
    if verdict is Verdict.DELIVERED:
        transaction.run(
            "note_success",
            id=webhook["id"],
            status_code=told["status_code"],
            milliseconds=told["milliseconds"],
            quick_milliseconds=QUICK_MILLISECONDS,
        )
        return
    noted = transaction.one(
        "note_failure",
        id=webhook["id"],
        gone=verdict is Verdict.GONE,
        failing_seconds_max=FAILING_SECONDS_MAX,
        failing_reason=FAILING_REASON,
        **told,
    )
    if webhook["enabled"] and noted is not None and not noted["enabled"]:
        transaction.tell("webhook switched off", level=WARNING, webhook_id=webhook["id"], gone=verdict is Verdict.GONE)


def _logged(attempt: _Attempt) -> dict[str, Any]:
    return {
        "started_at": attempt.started_at,
        "request_headers": Jsonb(attempt.request_headers),
        "response_body": attempt.response_body,
    }
