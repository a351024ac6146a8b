"""The queues in SQS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.backends.clients import DATA_READ_SECONDS_MAX, client_config
from chalicelib.backends.queues import SEND_BATCH_MESSAGES_MAX, Message
from chalicelib.errors import Transient
from chalicelib.limits import WAKE_SOON_SECONDS
from chalicelib.settings import queue_name
from chalicelib.telemetry import WARNING, log

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_COUNTS: list[QueueAttributeNameType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
]


class SqsQueues:
    """The queues of one stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._urls: dict[str, str] = {}
        self._woken_at: dict[str, float] = {}
        self._sqs: SQSClient = boto3.client("sqs", config=client_config(DATA_READ_SECONDS_MAX))

    def send(self, queue: str, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
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

    def wake(self, queue: str, *, delay_seconds: int = 0) -> None:
        try:
            self.send(queue, [Message()], delay_seconds=delay_seconds)
        except Transient as error:
            log("a wake-up could not be sent; the sweep will find its work", level=WARNING, reason=str(error))

    def wake_soon(self, queue: str) -> None:
        # Wall-clock time: the monotonic clock may stop while a function is frozen between two invocations. For half of
        # the delay, the message has certainly not been received.
        now = time.time()
        if not 0 <= now - self._woken_at.get(queue, 0.0) < WAKE_SOON_SECONDS / 2:
            self._woken_at[queue] = now
            self.wake(queue, delay_seconds=WAKE_SOON_SECONDS)

    def count(self, queue: str) -> int:
        with _translated(queue):
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=_COUNTS)
        return sum(int(answer["Attributes"][name]) for name in _COUNTS)

    def retry_after(self, queue: str, receipt_handle: str, seconds: int) -> None:
        with _translated(queue):
            self._sqs.change_message_visibility(
                QueueUrl=self._url(queue), ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )

    def remove(self, queue: str, receipt_handle: str) -> None:
        with _translated(queue):
            self._sqs.delete_message(QueueUrl=self._url(queue), ReceiptHandle=receipt_handle)

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
