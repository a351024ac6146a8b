"""Consumers of queues whose work must not be lost: it is tried for hours, and ends with a reason if that does not help.

What happens after an error depends on its kind:

- Infrastructure that is down, slow or failing over comes back. The message returns, again and again, until its queue
  has delivered it MaxReceiveCount times. Invocations that Lambda throttled, and workers that were killed, count too.
- An unexpected error is probably a bug, which no waiting fixes. Such errors are counted in the message itself, because
  the queue counts all deliveries: after FAULTS_MAX of them, it becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from chalice.app import SQSRecord

from chalicelib.errors import Transient
from chalicelib.limits import FAULT_SECONDS, FAULTS_MAX
from functions.composition import backends
from functions.consumers import Consumer, Handler, Kind


class Worker(Consumer[Kind]):
    """Handles the messages of a queue that has dead letters with a consumer."""

    @property
    def dead_letters(self) -> str:
        """The queue of messages that failed at every try."""
        return f"{self.queue}-dead"

    def after_fault(self, message: Kind, record: SQSRecord) -> None:
        """Puts a copy with one more fault in the place of the message. A kill in between only duplicates it."""
        copy = message.model_copy(update={"faults": message.faults + 1})
        queues = backends().queues
        with suppress(Transient):  # Best effort: otherwise the message returns as it was.
            if copy.faults < FAULTS_MAX:
                queues.send(self.queue, [copy], delay_seconds=FAULT_SECONDS)
            else:
                queues.send(self.dead_letters, [copy])
            queues.remove(self.queue, record.receipt_handle)


def works_on(queue: str, kind: type[Kind]) -> Callable[[Handler[Kind]], Worker[Kind]]:
    """Turns a function that takes a message and the seconds left into the worker of a queue (short name)."""
    return lambda handler: Worker(queue, kind, handler)
