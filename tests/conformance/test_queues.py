"""What the domain needs of queues: of ours on an emulator of SQS, and of the fake of the integration tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.backends.queues import SEND_BATCH_MESSAGES_MAX, Message, Queues
from chalicelib.backends.sqs import SqsQueues
from chalicelib.errors import Transient
from chalicelib.messages import ChunkMessage, UploadMessage
from tests.conformance.conftest import Emulated
from tests.integration.fakes import RecordingQueues

QUEUE = "chunks"
POLL_SECONDS = 2
POLLS_MAX = 10
WAIT_SECONDS = 2
EARLY_SECONDS = 0.9
"""Emulators count in whole seconds of the clock."""


@dataclass(frozen=True)
class Sender:
    """The queues under test. `take` waits for this many messages in QUEUE, removes them and returns their bodies."""

    queues: Queues
    take: Callable[[int], list[Any]]


@pytest.fixture(params=["emulator", "memory"])
def sender(request: pytest.FixtureRequest) -> Sender:
    """Our queues on the emulator, and the fake."""
    if request.param == "memory":
        fake = RecordingQueues()
        return Sender(fake, lambda _: fake.take(QUEUE))
    emulated: Emulated = request.getfixturevalue("ours")
    return Sender(SqsQueues(emulated.stage), lambda count: _take(emulated, count))


def _url(emulated: Emulated) -> str:
    return str(
        emulated.endpoint.sqs().get_queue_url(QueueName=f"product-importer-{emulated.stage}-{QUEUE}")["QueueUrl"]
    )


def _receive(emulated: Emulated) -> list[Any]:
    answer = emulated.endpoint.sqs().receive_message(
        QueueUrl=_url(emulated), MaxNumberOfMessages=10, WaitTimeSeconds=POLL_SECONDS
    )
    return list(answer.get("Messages", []))


def _take(emulated: Emulated, count: int) -> list[Any]:
    taken: list[Any] = []
    for _ in range(POLLS_MAX):
        for message in _receive(emulated):
            emulated.endpoint.sqs().delete_message(QueueUrl=_url(emulated), ReceiptHandle=message["ReceiptHandle"])
            taken.append(json.loads(message["Body"]))
        if len(taken) >= count:
            break
    return taken


def test_more_messages_than_fit_into_a_batch_all_arrive(sender: Sender) -> None:
    import_id = uuid.uuid4()
    messages = [
        ChunkMessage(import_id=import_id, chunk=number, attempt=1) for number in range(2 * SEND_BATCH_MESSAGES_MAX + 3)
    ]
    sender.queues.send(QUEUE, messages)
    taken = sorted(sender.take(len(messages)), key=lambda body: int(body["chunk"]))
    assert taken == [
        {
            "version": 1,
            "faults": 0,
            "import_id": str(import_id),
            "chunk": message.chunk,
            "attempt": 1,
            "again": False,
        }
        for message in messages
    ]
    assert [ChunkMessage.model_validate(body) for body in taken] == messages


def test_no_messages_are_no_request(sender: Sender) -> None:
    sender.queues.send("there is no such queue", [])


def test_a_message_keeps_the_names_that_its_sender_uses(sender: Sender) -> None:
    message = UploadMessage(continue_import=uuid.uuid4())
    sender.queues.send(QUEUE, [message], delay_seconds=1)
    (body,) = sender.take(1)
    assert UploadMessage.model_validate(body) == message


def test_waiting_and_delayed_messages_are_counted_until_they_are_done(sender: Sender) -> None:
    assert sender.queues.count(QUEUE) == 0
    sender.queues.send(QUEUE, [Message(), Message()])
    sender.queues.send(QUEUE, [Message()], delay_seconds=1)
    assert sender.queues.count(QUEUE) == 3
    assert len(sender.take(3)) == 3
    assert sender.queues.count(QUEUE) == 0


def test_a_message_that_is_being_handled_is_counted(ours: Emulated) -> None:
    queues = SqsQueues(ours.stage)
    queues.send(QUEUE, [Message()])
    (message,) = _receive(ours)
    assert queues.count(QUEUE) == 1
    ours.endpoint.sqs().delete_message(QueueUrl=_url(ours), ReceiptHandle=message["ReceiptHandle"])
    assert queues.count(QUEUE) == 0


def test_a_wake_up_is_a_message_without_content(sender: Sender) -> None:
    sender.queues.wake(QUEUE)
    (body,) = sender.take(1)
    assert Message.model_validate(body) == Message()


def test_a_queue_that_does_not_exist_may_exist_later(ours: Emulated) -> None:
    queues = SqsQueues(ours.stage)
    with pytest.raises(Transient, match="nowhere"):
        queues.send("nowhere", [Message()])
    queues.wake("nowhere")  # Best effort: only logged.


def test_a_received_message_returns_after_the_requested_wait(ours: Emulated) -> None:
    queues = SqsQueues(ours.stage)
    queues.send(QUEUE, [Message()])
    (message,) = _receive(ours)
    queues.retry_after(QUEUE, message["ReceiptHandle"], WAIT_SECONDS)
    asked = time.monotonic()
    (again,) = next(filter(None, (_receive(ours) for _ in range(POLLS_MAX))))
    assert time.monotonic() - asked >= WAIT_SECONDS - EARLY_SECONDS
    assert again["MessageId"] == message["MessageId"]
    ours.endpoint.sqs().delete_message(QueueUrl=_url(ours), ReceiptHandle=again["ReceiptHandle"])
