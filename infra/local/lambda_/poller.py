"""An event source mapping: takes messages from one queue and runs a function on them, as Lambda's own poller does.

A batch that succeeds is deleted. After an exception, a time-out or a crash its messages are left alone: they reappear
when their visibility time-out is over, and go to the dead-letter queue when they were received too often.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.aws import Endpoint
from infra.local.lambda_ import sqs_event
from infra.local.lambda_.execution_environment import InvocationFailed
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.triggers import QueueSource
from infra.local.processes.deadline import Deadline

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

RECEIVE_MESSAGES_MAX = 10
"""What one call of SQS returns at the most."""
LONG_POLL_SECONDS = 5
RETRY_SECONDS = 1.0
"""Before the queue is asked again after it could not be reached."""

Warn = Callable[[str], None]
_logger = logging.getLogger(__name__)


class QueuePoller:
    """Polls in one thread; invokes in as many as the pool has places. Receives only what can be run at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        source: QueueSource,
        pool: Pool,
        warn: Warn,
        *,
        long_poll_seconds: int = LONG_POLL_SECONDS,
    ) -> None:
        self._source = source
        self._pool = pool
        self._warn = warn
        self._long_poll_seconds = long_poll_seconds
        self._sqs = endpoint.sqs()
        self._url = self._sqs.get_queue_url(QueueName=source.queue)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn", "VisibilityTimeout"])
        self._arn = answer["Attributes"]["QueueArn"]
        self._check_visibility(int(answer["Attributes"]["VisibilityTimeout"]))
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._under_way: set[futures.Future[None]] = set()
        self._invokers = futures.ThreadPoolExecutor(pool.size, thread_name_prefix=f"invoke-{source.function}")
        self._thread = threading.Thread(target=self._poll, name=f"poll-{source.queue}", daemon=True)

    def start(self) -> None:
        """Polls until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Receives nothing more; what a poll under way still brings is given back. Invocations go on: see `join`."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Waits for invocations under way, at most so long."""
        with self._lock:
            under_way = set(self._under_way)
        futures.wait(under_way, seconds)
        self._invokers.shutdown(wait=False, cancel_futures=True)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            if not self._pool.acquire(RETRY_SECONDS):
                continue
            messages = self._receive_batch()
            with self._lock:
                stopping = self._stopping.is_set()
                if messages and not stopping:
                    invocation = self._invokers.submit(self._handle, messages)
                    self._under_way.add(invocation)
                    invocation.add_done_callback(self._under_way.discard)
                    continue
            self._pool.release()
            if messages:
                self._give_back(messages)

    def _give_back(self, messages: list[MessageTypeDef]) -> None:
        """Makes messages visible again at once, for the next stack on the same queue."""
        with suppress(BotoCoreError, ClientError):
            for message in messages:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )

    def _receive_batch(self) -> list[MessageTypeDef]:
        """Up to a batch; fewer as soon as the batching window is over."""
        messages = self._receive(self._source.batch_size, self._long_poll_seconds)
        window = Deadline(self._source.window_seconds)
        while messages and len(messages) < self._source.batch_size and not window.passed():
            more = self._receive(self._source.batch_size - len(messages), min(1, int(window.remaining())))
            messages += more
        return messages

    def _receive(self, count: int, wait_seconds: int) -> list[MessageTypeDef]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(count, RECEIVE_MESSAGES_MAX),
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.wait(RETRY_SECONDS):
                self._warn(f"{self._source.queue}: cannot receive: {error}")
            return []
        return answer.get("Messages", [])

    def _handle(self, messages: list[MessageTypeDef]) -> None:
        try:
            result = self._pool.invoke(sqs_event.event(messages, self._arn))
            self._delete(sqs_event.succeeded(messages, result))
        except (InvocationFailed, sqs_event.BadFailureReport) as error:
            # Already in the function's own log, if the function failed.
            _logger.info("%s: %s", self._source.queue, error)
        except (BotoCoreError, ClientError) as error:
            # Also when the emulator is gone before the last function is.
            if not self._stopping.is_set():
                self._warn(f"{self._source.queue}: cannot delete, so it will come again: {error}")
        finally:
            self._pool.release()

    def _delete(self, messages: list[MessageTypeDef]) -> None:
        for at in range(0, len(messages), RECEIVE_MESSAGES_MAX):
            batch = messages[at : at + RECEIVE_MESSAGES_MAX]
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(batch)
                ],
            )
            for failure in answer.get("Failed", []):
                self._warn(f"{self._source.queue}: a message was not deleted, so it will come again: {failure}")

    def _check_visibility(self, seconds: int) -> None:
        timeout = self._pool.function.timeout_seconds
        if seconds < timeout:
            self._warn(
                f"{self._source.queue}: messages reappear after {seconds} s, but {self._source.function} may run "
                f"{timeout} s: AWS refuses that; raise the queue's visibility time-out"
            )
