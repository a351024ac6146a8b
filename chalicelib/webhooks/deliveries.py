"""Deliveries as people see them: the log, a test on demand, and sending again."""

from __future__ import annotations

import uuid
from datetime import datetime

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib import events
from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.errors import Conflict, NotFound
from chalicelib.fault_points import fault_point
from chalicelib.limits import REDELIVERED_MAX
from chalicelib.messages import TurnMessage
from chalicelib.webhooks import webhooks


def get(transaction: Transaction, delivery_id: uuid.UUID) -> DictRow:
    """One delivery, with what it is about. Raises NotFound."""
    found = transaction.one("find_delivery", id=delivery_id)
    if found is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return found


def send_test(backends: Backends, webhook_id: uuid.UUID) -> DictRow:
    """Sends a test event to one webhook, switched on or not: one attempt, ahead of all others. Raises NotFound."""
    with backends.database.transaction() as transaction:
        found = webhooks.get(transaction, webhook_id)
        event = transaction.one(
            "add_relayed_event",
            dedupe_key=f"{events.TEST_TYPE}:{uuid.uuid4()}",
            type=events.TEST_TYPE,
            payload=Jsonb({"webhook_id": str(found["id"]), "message": "This is a test."}),
        )
        assert event is not None
        made = transaction.one("add_test_delivery", webhook_id=webhook_id, event_id=event["id"])
        assert made is not None
        shown = get(transaction, made["id"])
    fault_point("delivery.before_wake")
    backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return shown


def redeliver(backends: Backends, delivery_id: uuid.UUID) -> DictRow:
    """Sends one delivery again, with the same id of its event. Raises NotFound, Conflict while it is still tried."""
    with backends.database.transaction() as transaction:
        found = get(transaction, delivery_id)
        if not found["enabled"] and not found["test"]:
            raise Conflict("the webhook is switched off; switch it on first", code="webhook_disabled")
        if not transaction.run("redeliver", id=delivery_id):
            raise Conflict("the delivery is still being tried", code="delivery_pending")
        shown = get(transaction, delivery_id)
    backends.queues.send("deliveries", [TurnMessage(webhook=found["webhook_id"])])
    return shown


def redeliver_failed(backends: Backends, webhook_id: uuid.UUID, since: datetime) -> int:
    """Sends again all that failed since then, the oldest first, up to REDELIVERED_MAX. Returns how many."""
    with backends.database.transaction() as transaction:
        found = webhooks.get(transaction, webhook_id)
        if not found["enabled"]:
            raise Conflict("the webhook is switched off; switch it on first", code="webhook_disabled")
        count = transaction.run("redeliver_failed", webhook_id=webhook_id, since=since, limit=REDELIVERED_MAX)
    if count:
        backends.queues.send("deliveries", [TurnMessage(webhook=webhook_id)])
    return count
