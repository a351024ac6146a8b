"""Consumer of the `events` queue: something happened; makes deliveries of it."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.webhooks import relay
from functions.composition import backends
from functions.messages import each_record, seconds_left_of


def relay_events(event: SQSEvent) -> None:
    """Relays all that waits. What woke it says nothing: the outbox is the message."""
    seconds_left = seconds_left_of(event)

    def handle(record: SQSRecord) -> None:  # noqa: ARG001
        relay.relay(backends(), seconds_left)

    each_record(event, "events", handle)
