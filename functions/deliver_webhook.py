"""Consumer of the `deliveries` queue: a webhook's turn."""

from __future__ import annotations

from chalicelib.messages import TurnMessage
from chalicelib.webhooks import attempts
from functions.composition import backends, sending
from functions.consumers import SecondsLeft, consumes


@consumes("deliveries", TurnMessage)
def handle(message: TurnMessage, seconds_left: SecondsLeft) -> None:
    """Attempts the deliveries that are due at one webhook."""
    attempts.take_turn(backends(), sending(), message.webhook, seconds_left)
