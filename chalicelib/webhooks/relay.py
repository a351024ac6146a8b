"""The relay: takes events from the outbox, in order, and creates a delivery of each for every webhook that wants it.

Each event is marked when it has been relayed. Remembering the highest number seen would not be enough: a slow
transaction may commit an event with a lower one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.backends import RELAY_QUEUE, Backends
from chalicelib.backends.database import Database
from chalicelib.backends.queues import Queues
from chalicelib.fault_points import fault_point
from chalicelib.limits import INVOCATION_RESERVE_SECONDS, RELAY_BATCH_EVENTS, WEBHOOK_CONCURRENT_MAX
from chalicelib.messages import TurnMessage
from chalicelib.telemetry import log


@dataclass(frozen=True)
class _Relayed:
    """What one transaction of the relay did."""

    events: int
    deliveries: dict[str, int]
    """How many deliveries were created, by the id of their webhook."""


def relay(backends: Backends, seconds_left: Callable[[], float]) -> None:
    """Relays until no event is left, or until time runs out: then a new message continues. Raises Transient."""
    while _relay_some(backends):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            backends.queues.wake(RELAY_QUEUE)
            return


def wake_lost(database: Database, queues: Queues) -> None:
    """For the sweep: wakes the relay if an event has not been relayed."""
    with database.transaction() as transaction:
        waiting = transaction.exists("any_unrelayed")
    if waiting:
        queues.wake(RELAY_QUEUE)


def _relay_some(backends: Backends) -> bool:
    """Relays a batch in one transaction. Returns whether there may be more."""
    with backends.database.transaction() as transaction:
        transaction.run("lock_relay")
        relayed = transaction.row("relay_events", _Relayed, limit=RELAY_BATCH_EVENTS)
        fault_point("relay.before_commit")
    fault_point("relay.before_send")
    # As many turns as attempts may run at a time. Those that turn out to be too many find nothing to do.
    turns = [
        TurnMessage(webhook=uuid.UUID(webhook_id))
        for webhook_id, deliveries in relayed.deliveries.items()
        for _ in range(min(deliveries, WEBHOOK_CONCURRENT_MAX))
    ]
    backends.queues.send("deliveries", turns)
    if relayed.events:
        created = sum(relayed.deliveries.values())
        log("events relayed", deliveries=created, measured={"EventsRelayed": relayed.events})
    return relayed.events == RELAY_BATCH_EVENTS
