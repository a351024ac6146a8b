"""The relay: takes events from the outbox, in order, and makes a delivery of each for every webhook that wants it.

Events are marked, not remembered by the highest number seen: a slow transaction may commit an event with a lower one.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.backends import RELAY_QUEUE, Backends
from chalicelib.backends.database import Database
from chalicelib.backends.queues import Queues
from chalicelib.fault_points import fault_point
from chalicelib.limits import INVOCATION_RESERVE_SECONDS, RELAY_BATCH_EVENTS, WEBHOOK_CONCURRENT_MAX
from chalicelib.messages import TurnMessage
from chalicelib.telemetry import tell


def relay(backends: Backends, seconds_left: Callable[[], float]) -> None:
    """Relays until no event waits or time runs out; then a new message goes on. Raises Transient."""
    while _relay_some(backends):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            backends.queues.wake(RELAY_QUEUE)
            return


def wake_lost(database: Database, queues: Queues) -> None:
    """For the sweep: wakes the relay where events wait."""
    with database.transaction() as transaction:
        waiting = transaction.one("any_unrelayed")
    if waiting is not None:
        queues.wake(RELAY_QUEUE)


def _relay_some(backends: Backends) -> bool:
    """One transaction. Returns whether there may be more."""
    with backends.database.transaction() as transaction:
        transaction.run("lock_relay")
        relayed = transaction.one("relay_events", limit=RELAY_BATCH_EVENTS)
        assert relayed is not None
        fault_point("relay.before_commit")
    fault_point("relay.before_send")
    # As many messages as attempts may run at a time; those that are too many find nothing to do.
    at_once = [
        TurnMessage(webhook=webhook_id)
        for webhook_id, deliveries in relayed["deliveries"].items()
        for _ in range(min(deliveries, WEBHOOK_CONCURRENT_MAX))
    ]
    backends.queues.send("deliveries", at_once)
    if relayed["events"]:
        made = sum(relayed["deliveries"].values())
        tell("events relayed", deliveries=made, measured={"EventsRelayed": relayed["events"]})
    return bool(relayed["events"] == RELAY_BATCH_EVENTS)
