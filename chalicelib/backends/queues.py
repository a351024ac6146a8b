"""The queues as the domain sees them. Messages may arrive late, twice or in any order. `sqs.py` implements them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

SEND_BATCH_MESSAGES_MAX = 10
"""The most messages that SQS takes in one request."""


class Message(BaseModel):
    """What every queue message has. A consumer refuses an unknown version; the queue then delivers it again."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    faults: int = 0
    """How many unexpected errors its work has ended with (functions/work.py)."""

    def body(self) -> str:
        """The message as JSON."""
        return self.model_dump_json(by_alias=True)


class Queues(Protocol):
    """The queues of one stage, by the short names of infra/resources.yml."""

    def send(self, queue: str, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        """Sends messages, to arrive after the delay. Raises Transient, after which some may have been sent."""

    def wake(self, queue: str, *, delay_seconds: int = 0) -> None:
        """Lets the queue's function look for work. Best effort: the sweep finds the same work later."""

    def wake_soon(self, queue: str) -> None:
        """Does the same after a moment. A message that this process sent, and that is still delayed, serves, too."""

    def count(self, queue: str) -> int:
        """Returns how many messages a queue has: waiting, delayed, or being handled. Approximate. Raises Transient."""

    def retry_after(self, queue: str, receipt_handle: str, seconds: int) -> None:
        """Makes a received message visible again after this time, whatever its queue's time-out. Raises Transient."""

    def remove(self, queue: str, receipt_handle: str) -> None:
        """Removes a received message. Raises Transient."""
