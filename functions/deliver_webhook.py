"""Consumer of the `deliveries` queue: a webhook's turn."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.webhooks import attempts
from functions.composition import backends, sending
from functions.messages import TurnMessage, each_record, seconds_left_of


def deliver_webhook(event: SQSEvent) -> None:
    """Attempts what is due at one webhook."""
    seconds_left = seconds_left_of(event)

    def handle(record: SQSRecord) -> None:
        turn = TurnMessage.model_validate_json(record.body)
        attempts.take_turn(backends(), sending(), turn.webhook, seconds_left)

    each_record(event, "deliveries", handle)
