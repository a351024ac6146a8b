"""What the domain needs of queues, asked of ours on an emulator of SQS, and of the fake of the integration tests."""

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
from tests.conformance.conftest import Stand
from tests.integration.fakes import RecordingQueues

QUEUE = "chunks"
POLL_SECONDS = 2
POLLS_MAX = 10
WAIT_SECONDS = 2
EARLY_SECONDS = 0.9
"""Emulators count in whole seconds of the clock."""


@dataclass(frozen=True)
class Sender:
    """Queues under test. `take` removes and returns the messages of QUEUE, of which there must be so many."""

    queues: Queues
    take: Callable[[int], list[Any]]


@pytest.fixture(params=["emulator", "memory"])
def sender(request: pytest.FixtureRequest) -> Sender:
    """Ours, and the fake."""
    if request.param == "memory":
        fake = RecordingQueues()
        return Sender(fake, lambda _: fake.take(QUEUE))
    stand: Stand = request.getfixturevalue("ours")
    return Sender(SqsQueues(stand.stage), lambda count: _take(stand, count))


def _url(stand: Stand) -> str:
    return str(stand.endpoint.sqs().get_queue_url(QueueName=f"product-importer-{stand.stage}-{QUEUE}")["QueueUrl"])


def _receive(stand: Stand) -> list[Any]:
    answer = stand.endpoint.sqs().receive_message(
        QueueUrl=_url(stand), MaxNumberOfMessages=10, WaitTimeSeconds=POLL_SECONDS
    )
    return list(answer.get("Messages", []))


def _take(stand: Stand, count: int) -> list[Any]:
    taken: list[Any] = []
    for _ in range(POLLS_MAX):
        for message in _receive(stand):
            stand.endpoint.sqs().delete_message(QueueUrl=_url(stand), ReceiptHandle=message["ReceiptHandle"])
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
        {"version": 1, "import_id": str(import_id), "chunk": message.chunk, "attempt": 1} for message in messages
    ]
    assert [ChunkMessage.model_validate(body) for body in taken] == messages


def test_no_messages_are_no_request(sender: Sender) -> None:
    sender.queues.send("there is no such queue", [])


def test_a_message_keeps_the_names_that_its_sender_uses(sender: Sender) -> None:
    message = UploadMessage(continue_import=uuid.uuid4())
    sender.queues.send(QUEUE, [message], delay_seconds=1)
    (body,) = sender.take(1)
    assert UploadMessage.model_validate(body) == message


def test_a_wake_up_is_a_message_of_its_own(sender: Sender) -> None:
    sender.queues.wake(QUEUE)
    (body,) = sender.take(1)
    assert Message.model_validate(body) == Message()


def test_a_queue_that_does_not_exist_may_exist_later(ours: Stand) -> None:
    queues = SqsQueues(ours.stage)
    with pytest.raises(Transient, match="nowhere"):
        queues.send("nowhere", [Message()])
    queues.wake("nowhere")  # Best effort: only logged.


def test_a_received_message_returns_after_the_wait_that_is_asked_for(ours: Stand) -> None:
    queues = SqsQueues(ours.stage)
    queues.send(QUEUE, [Message()])
    (message,) = _receive(ours)
    queues.retry_after(QUEUE, message["ReceiptHandle"], WAIT_SECONDS)
    asked = time.monotonic()
    (again,) = next(filter(None, (_receive(ours) for _ in range(POLLS_MAX))))
    assert time.monotonic() - asked >= WAIT_SECONDS - EARLY_SECONDS
    assert again["MessageId"] == message["MessageId"]
    ours.endpoint.sqs().delete_message(QueueUrl=_url(ours), ReceiptHandle=again["ReceiptHandle"])
