"""The queues: messages carry ids, never rows, and may arrive late, twice or in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from chalicelib.errors import Transient
from chalicelib.settings import queue_name
from chalicelib.telemetry import WARNING, tell

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SEND_BATCH_MESSAGES_MAX = 10
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 30
ATTEMPTS_MAX = 3


class Message(BaseModel):
    """What every queue message has. A consumer refuses a version that it does not know; the queue then retries."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1

    def body(self) -> str:
        """The message as JSON."""
        return self.model_dump_json(by_alias=True)


class Queues:
    """The queues of one stage, by the short names of infra/resources.yml."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._urls: dict[str, str] = {}
        self._sqs: SQSClient = boto3.client(
            "sqs",
            config=Config(
                connect_timeout=CONNECT_SECONDS_MAX,
                read_timeout=READ_SECONDS_MAX,
                retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
            ),
        )

    def send(self, queue: str, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        """Sends messages as JSON, in batches, to arrive after the delay. Raises Transient; some may have been sent."""
        for at in range(0, len(messages), SEND_BATCH_MESSAGES_MAX):
            batch = messages[at : at + SEND_BATCH_MESSAGES_MAX]
            with _translated(queue):
                answer = self._sqs.send_message_batch(
                    QueueUrl=self._url(queue),
                    Entries=[
                        {"Id": str(index), "MessageBody": message.body(), "DelaySeconds": delay_seconds}
                        for index, message in enumerate(batch)
                    ],
                )
            if answer.get("Failed"):
                raise Transient(f"SQS refused {len(answer['Failed'])} messages for {queue}")

    def wake(self, queue: str) -> None:
        """Lets the queue's function look for work. Best effort, for work that the sweep would find too."""
        try:
            self.send(queue, [Message()])
        except Transient as error:
            tell("a wake-up was lost: the sweep will find what it was for", level=WARNING, reason=str(error))

    def retry_after(self, queue: str, receipt_handle: str, seconds: int) -> None:
        """Makes a received message visible again sooner than its queue's visibility time-out. Raises Transient."""
        with _translated(queue):
            self._sqs.change_message_visibility(
                QueueUrl=self._url(queue), ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            answer = self._sqs.get_queue_url(QueueName=queue_name(self._stage, queue))
            self._urls[queue] = answer["QueueUrl"]
        return self._urls[queue]


@contextmanager
def _translated(queue: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        raise Transient(f"SQS could not be used for {queue}: {type(error).__name__}") from error
