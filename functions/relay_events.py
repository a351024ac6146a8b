"""Consumer of the `events` queue: creates deliveries from new events."""

from __future__ import annotations

from chalicelib.messages import EventsMessage
from chalicelib.webhooks import relay
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("events", EventsMessage)
def handle(_: EventsMessage, seconds_left: SecondsLeft) -> None:
    """Relays every event in the outbox that is not relayed yet."""
    relay.relay(backends(), seconds_left)
