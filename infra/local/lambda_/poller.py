"""An event source mapping: takes messages from one queue, one at a time, and runs a function on each, as Lambda does.

A message is deleted when the function returns. After an exception, a time-out or a crash it stays in the queue: it
reappears when its visibility time-out has passed, and moves to the dead-letter queue after too many tries.
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
from infra.local.errors import FunctionFailed
from infra.local.lambda_ import sqs_event
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.triggers import QueueSource

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

LONG_POLL_SECONDS = 5
RETRY_SECONDS = 1.0
"""The pause before the next try when the queue cannot be reached."""

Warn = Callable[[str], None]
_logger = logging.getLogger(__name__)


class QueuePoller:
    """Polls in one thread, and invokes in as many as the pool allows. Receives a message only when it can run it."""

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
        """Receives nothing more, and returns what the current poll still brings. Invocations continue: see `join`."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Waits at most this long for the current invocations."""
        with self._lock:
            under_way = set(self._under_way)
        futures.wait(under_way, seconds)
        self._invokers.shutdown(wait=False, cancel_futures=True)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            if not self._pool.acquire(RETRY_SECONDS):
                continue
            message = self._receive()
            with self._lock:
                if message is not None and not self._stopping.is_set():
                    invocation = self._invokers.submit(self._handle, message)
                    self._under_way.add(invocation)
                    invocation.add_done_callback(self._under_way.discard)
                    continue
            self._pool.release()
            if message is not None:
                self._give_back(message)

    def _give_back(self, message: MessageTypeDef) -> None:
        """Makes a message visible again at once, for the next stack on the same queue."""
        with suppress(BotoCoreError, ClientError):
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )

    def _receive(self) -> MessageTypeDef | None:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=self._long_poll_seconds,
                AttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.wait(RETRY_SECONDS):
                self._warn(f"{self._source.queue}: cannot receive messages, trying again: {error}")
            return None
        return next(iter(answer.get("Messages", [])), None)

    def _handle(self, message: MessageTypeDef) -> None:
        try:
            self._pool.invoke(sqs_event.event(message, self._arn))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        except FunctionFailed as error:
            # The function's own log has it already.
            _logger.info("%s: %s", self._source.queue, error)
        except (BotoCoreError, ClientError) as error:
            # While the stack stops, the emulator may be gone before the last function is.
            if not self._stopping.is_set():
                self._warn(f"{self._source.queue}: cannot delete a message, so it will be delivered again: {error}")
        finally:
            self._pool.release()

    def _check_visibility(self, seconds: int) -> None:
        timeout = self._pool.function.timeout_seconds
        if seconds < timeout:
            self._warn(
                f"{self._source.queue}: messages reappear after {seconds} s, but {self._source.function} may run for "
                f"{timeout} s. AWS refuses that: raise the queue's visibility time-out"
            )
