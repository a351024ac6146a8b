"""What we need of SQS: the behaviour that retries, delays and dead letters rely on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.conftest import RECEIVES_MAX, VISIBILITY_SECONDS, Emulated, Queue

POLL_SECONDS = 1
POLLS_MAX = 15
DELAY_SECONDS = 2
EARLY_SECONDS = 0.9
"""Emulators count in whole seconds of the clock."""


def _receive(sqs: Any, url: str, wait_seconds: int = 0, **more: Any) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait_seconds,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        **more,
    )
    return list(answer.get("Messages", []))


def _one(sqs: Any, url: str) -> dict[str, Any]:
    """The next message, within some polls."""
    for _ in range(POLLS_MAX):
        for message in _receive(sqs, url, POLL_SECONDS):
            return message
    raise AssertionError("no message came")


def test_a_batch_arrives_whole(sqs: Any, queue: Queue) -> None:
    bodies = [f'{{"text": "ä\\u20ac{number}"}}' for number in range(10)]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    answer = sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    assert len(answer["Successful"]) == 10
    assert not answer.get("Failed")
    got: list[str] = []
    for _ in range(POLLS_MAX):
        for message in _receive(sqs, queue.url, POLL_SECONDS):
            got.append(message["Body"])
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
        if len(got) >= len(bodies):
            break
    assert sorted(got) == sorted(bodies)


def test_a_batch_of_more_than_ten_is_refused(sqs: Any, queue: Queue) -> None:
    entries = [{"Id": str(number), "MessageBody": "x"} for number in range(11)]
    with pytest.raises(ClientError, match="TooManyEntriesInBatchRequest"):
        sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)


def test_a_received_message_is_invisible_then_comes_back_and_is_counted(sqs: Any, queue: Queue) -> None:
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    first = _one(sqs, queue.url)
    received = time.monotonic()
    assert _receive(sqs, queue.url) == []
    second = _one(sqs, queue.url)
    assert time.monotonic() - received >= VISIBILITY_SECONDS - EARLY_SECONDS
    assert second["MessageId"] == first["MessageId"]
    counts = [each["Attributes"]["ApproximateReceiveCount"] for each in (first, second)]
    assert counts == ["1", "2"]


def test_a_message_can_be_made_visible_sooner_and_later(sqs: Any, queue: Queue) -> None:
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    first = _one(sqs, queue.url)
    sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    (again,) = _receive(sqs, queue.url, POLL_SECONDS)
    changed = time.monotonic()
    later = VISIBILITY_SECONDS + 2
    sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=later)
    # It has been received as often as allowed: the next receive moves it to the dead-letter queue.
    assert _receive(sqs, queue.url) == []
    dead: list[dict[str, Any]] = []
    for _ in range(POLLS_MAX):
        assert _receive(sqs, queue.url, POLL_SECONDS) == []
        dead = _receive(sqs, queue.dead_url)
        if dead:
            break
    assert [each["Body"] for each in dead] == ["x"]
    assert time.monotonic() - changed >= later - EARLY_SECONDS


def test_a_deleted_message_does_not_come_back(sqs: Any, queue: Queue) -> None:
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=_one(sqs, queue.url)["ReceiptHandle"])
    assert _receive(sqs, queue.url, VISIBILITY_SECONDS + 1) == []
    assert _receive(sqs, queue.dead_url) == []


def test_deleting_twice_is_no_error(sqs: Any, queue: Queue, emulated: Emulated) -> None:
    emulated.needs("deleting_twice")
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    handle = _one(sqs, queue.url)["ReceiptHandle"]
    for _ in range(2):
        sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=handle)


def test_a_delayed_message_arrives_later_and_the_others_of_its_batch_do_not(sqs: Any, queue: Queue) -> None:
    sent = time.monotonic()
    entries = [
        {"Id": "late", "MessageBody": "late", "DelaySeconds": DELAY_SECONDS},
        {"Id": "now", "MessageBody": "now", "DelaySeconds": 0},
    ]
    sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    now = _one(sqs, queue.url)
    assert now["Body"] == "now"
    sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=now["ReceiptHandle"])
    assert _one(sqs, queue.url)["Body"] == "late"
    assert time.monotonic() - sent >= DELAY_SECONDS - EARLY_SECONDS


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(sqs: Any, queue: Queue) -> None:
    sent = sqs.send_message(QueueUrl=queue.url, MessageBody="poison")["MessageId"]
    for _ in range(RECEIVES_MAX):
        handle = _one(sqs, queue.url)["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert _receive(sqs, queue.url) == []
    dead = _one(sqs, queue.dead_url)
    assert (dead["Body"], dead["MessageId"]) == ("poison", sent)


def test_dead_letters_can_be_sent_back(sqs: Any, queue: Queue, emulated: Emulated) -> None:
    emulated.needs("message_moves")
    sqs.send_message(QueueUrl=queue.dead_url, MessageBody="again")
    sqs.start_message_move_task(SourceArn=queue.dead_arn, DestinationArn=queue.arn)
    assert _one(sqs, queue.url)["Body"] == "again"


def test_a_long_poll_ends_when_a_message_arrives(sqs: Any, queue: Queue) -> None:
    got: list[tuple[float, str]] = []

    def poll() -> None:
        for message in _receive(sqs, queue.url, wait_seconds=20):
            got.append((time.monotonic(), message["Body"]))

    waiting = threading.Thread(target=poll)
    waiting.start()
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    sent = time.monotonic()
    waiting.join(30)
    ((arrived, body),) = got
    assert body == "x"
    assert arrived - sent < 10


def test_a_queue_is_found_by_its_name(sqs: Any, queue: Queue) -> None:
    name = queue.url.rpartition("/")[2]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == queue.url
    with pytest.raises(ClientError, match=r"NonExistentQueue|QueueDoesNotExist"):
        sqs.get_queue_url(QueueName=f"{name}-none")
