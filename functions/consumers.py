"""Consumers of queues: each message of a Lambda event becomes one call of the domain."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from chalice.app import CloudWatchEvent, SQSEvent, SQSRecord

from chalicelib.backends.queues import Message
from chalicelib.errors import NotFound, Transient
from chalicelib.limits import RETRY_FACTOR, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from chalicelib.telemetry import WARNING, log
from functions.composition import backends

Kind = TypeVar("Kind", bound=Message)
SecondsLeft = Callable[[], float]
"""How much time the invocation has left."""
Handler = Callable[[Kind, SecondsLeft], None]


@dataclass(frozen=True)
class Consumer(Generic[Kind]):
    """Handles the messages of one queue."""

    queue: str
    kind: type[Kind]
    handler: Handler[Kind]

    def __call__(self, event: SQSEvent) -> None:
        """Handles each record of an event. A batch has one record, so an error fails only that message."""
        for record in event:
            self._handle(record, seconds_left_of(event))

    def _handle(self, record: SQSRecord, seconds_left: SecondsLeft) -> None:
        """A message that failed on a transient error returns after a short wait, not after the visibility time-out.

        A message about something that is not in the database is done: rows are committed before their messages are
        sent, so the row was removed because it was old, or the database was restored to an earlier state.
        """
        message = self.kind.model_validate_json(record.body)
        try:
            self.handler(message, seconds_left)
        except NotFound as error:
            log("a message refers to something that does not exist", level=WARNING, reason=error.message)
        except Transient:
            with suppress(Transient):  # Best effort: otherwise the message returns later.
                backends().queues.retry_after(self.queue, record.receipt_handle, _wait_seconds(record))
            raise
        except Exception:
            self.after_fault(message, record)
            raise

    def after_fault(self, message: Kind, record: SQSRecord) -> None:
        """What follows an unexpected error: nothing here. The message returns after its queue's visibility time-out."""


def consumes(queue: str, kind: type[Kind]) -> Callable[[Handler[Kind]], Consumer[Kind]]:
    """Turns a function that takes a message and the seconds left into the consumer of a queue (short name)."""
    return lambda handler: Consumer(queue, kind, handler)


def seconds_left_of(event: SQSEvent | CloudWatchEvent) -> SecondsLeft:
    """A function that returns the seconds left of the invocation that an event belongs to."""
    # Chalice declares the Lambda context as a dict, but it is an object.
    context = cast(Any, event.context)
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


def _wait_seconds(record: SQSRecord) -> int:
    received = int(record.to_dict()["attributes"]["ApproximateReceiveCount"])
    return int(min(RETRY_SECONDS_MIN * RETRY_FACTOR ** (received - 1), RETRY_SECONDS_MAX))
