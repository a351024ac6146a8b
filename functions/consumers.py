"""Consumers of queues: an event of Lambda in, one call of the domain for each message."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from chalice.app import CloudWatchEvent, SQSEvent, SQSRecord

from chalicelib.backends.queues import Message
from chalicelib.errors import NotFound, Transient
from chalicelib.limits import RETRY_FACTOR, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from chalicelib.telemetry import WARNING, tell
from functions.composition import backends

Kind = TypeVar("Kind", bound=Message)
SecondsLeft = Callable[[], float]
"""How long the invocation may still take."""
Handler = Callable[[Kind, SecondsLeft], None]


@dataclass(frozen=True)
class Consumer(Generic[Kind]):
    """Handles the messages of one queue."""

    queue: str
    kind: type[Kind]
    handler: Handler[Kind]

    def __call__(self, event: SQSEvent) -> None:
        """Handles each record of an event. A batch has one record, so that raising fails exactly that one."""
        for record in event:
            self._handle(record, seconds_left_of(event))

    def _handle(self, record: SQSRecord, seconds_left: SecondsLeft) -> None:
        """A message that failed on a transient error returns after a short wait, not after the visibility time-out.

        A message about something that is not in the database is finished: rows are committed before their messages
        are sent, so the database has been restored to an earlier moment.
        """
        try:
            self.handler(self.kind.model_validate_json(record.body), seconds_left)
        except NotFound as error:
            tell("a message is about what is not there", level=WARNING, reason=error.message)
        except Transient:
            with suppress(Transient):  # Best effort: without it the message returns later.
                backends().queues.retry_after(self.queue, record.receipt_handle, _wait_seconds(record))
            raise


def consumes(queue: str, kind: type[Kind]) -> Callable[[Handler[Kind]], Consumer[Kind]]:
    """Turns a function of a message, and of the seconds left, into the consumer of a queue (short name)."""
    return lambda handler: Consumer(queue, kind, handler)


def seconds_left_of(event: SQSEvent | CloudWatchEvent) -> SecondsLeft:
    """A clock for the invocation that an event belongs to."""
    # Chalice declares the Lambda context as a dict; it is an object.
    context = cast(Any, event.context)
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


def _wait_seconds(record: SQSRecord) -> int:
    received = int(record.to_dict()["attributes"]["ApproximateReceiveCount"])
    return int(min(RETRY_SECONDS_MIN * RETRY_FACTOR ** (received - 1), RETRY_SECONDS_MAX))
