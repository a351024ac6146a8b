"""A message that failed for now returns to its own queue after 5, 20, 80, then 300 s; a bug is tried a few times."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest
from chalice.app import SQSEvent

import app
from chalicelib.errors import NotFound, Transient
from chalicelib.limits import FAULTS_MAX
from chalicelib.messages import UploadMessage
from functions import consumers, work
from functions.consumers import Consumer, SecondsLeft
from tests.integration.fakes import MemoryFileStore, RecordingQueues, Retry, memory_backends

SOME_ID = "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d"
FIELDS = {"import_id": SOME_ID, "chunk": 1, "attempt": 1, "bulk_delete": SOME_ID, "export": SOME_ID, "webhook": SOME_ID}
"""What any of the messages may need; each type takes its own."""
QUEUES = {
    source.name: source.queue.removeprefix("product-importer-local-")
    for source in app.app.event_sources
    if hasattr(source, "queue")
}
"""The queue that each consumer is bound to, by the name of the function."""
WORKERS = {name for name, queue in QUEUES.items() if f"{queue}-dead" in QUEUES.values()}
DEAD = {name: next(each for each in QUEUES if QUEUES[each] == f"{QUEUES[name]}-dead") for name in WORKERS}
"""The consumer of the dead letters of each worker's queue."""


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> RecordingQueues:
    """The queues of this process, which keep what they are asked for."""
    fake = RecordingQueues()
    backends = memory_backends("postgresql://", MemoryFileStore(), fake)
    monkeypatch.setattr(consumers, "backends", lambda: backends)
    monkeypatch.setattr(work, "backends", lambda: backends)
    return fake


def _event(body: str, receive_count: int) -> SQSEvent:
    record = {"body": body, "receiptHandle": "handle", "attributes": {"ApproximateReceiveCount": str(receive_count)}}
    return SQSEvent({"Records": [record]}, None)


def _failing(consumer: Consumer[Any], error: Exception) -> Consumer[Any]:
    def fail(_message: Any, _seconds_left: SecondsLeft) -> None:
        raise error

    return replace(consumer, handler=fail)


def _consumer(function: str) -> Consumer[Any]:
    found: Consumer[Any] = importlib.import_module(f"functions.{function}").handle
    return found


@pytest.mark.parametrize("function", sorted(QUEUES))
def test_a_message_that_failed_for_now_returns_to_its_own_queue_after_a_growing_wait(
    function: str, queues: RecordingQueues
) -> None:
    failing = _failing(_consumer(function), Transient("broken on purpose"))
    for count in range(1, 7):
        with pytest.raises(Transient, match="broken on purpose"):
            failing(_event(json.dumps(FIELDS), count))
    waits = (5, 20, 80, 300, 300, 300)
    assert queues.retries == [Retry(QUEUES[function], "handle", seconds) for seconds in waits]
    assert (queues.sent, queues.removed) == ({}, [])


@pytest.mark.parametrize("function", sorted(set(QUEUES) - WORKERS))
def test_a_bug_leaves_a_message_to_its_queue_s_own_time_out(function: str, queues: RecordingQueues) -> None:
    """Of dead letters, and of messages that the sweep sends again."""
    with pytest.raises(ZeroDivisionError):
        _failing(_consumer(function), ZeroDivisionError())(_event(json.dumps(FIELDS), 1))
    assert (queues.retries, queues.sent, queues.removed) == ([], {}, [])


@pytest.mark.parametrize("function", sorted(WORKERS))
@pytest.mark.parametrize("received", [1, 90], ids=["at once", "after a long outage"])
def test_a_bug_ends_in_the_dead_letters_after_a_few_tries(
    function: str, received: int, queues: RecordingQueues
) -> None:
    """However often the message was delivered before: outages and throttling are not what it counts."""
    failing, queue = _failing(_consumer(function), ZeroDivisionError()), QUEUES[function]
    body = json.dumps(FIELDS)
    for faults in range(1, FAULTS_MAX + 1):
        with pytest.raises(ZeroDivisionError):
            failing(_event(body, received))
        assert queues.removed == [(queue, "handle")] * faults
        [copy] = queues.take(queue if faults < FAULTS_MAX else f"{queue}-dead")
        assert copy["faults"] == faults
        body = json.dumps(copy)
    assert (queues.sent, queues.retries) == ({}, [])
    dead = _consumer(DEAD[function])
    assert json.loads(dead.kind.model_validate_json(body).body()) == copy, (
        "the consumer of the dead letters reads all of it"
    )


def test_a_copy_of_an_event_names_the_same_object(queues: RecordingQueues) -> None:
    stored = {"key": "uploads/a+b%C3%A9.csv", "size": 7, "versionId": "v1", "eTag": "more"}
    event = json.dumps({"Records": [{"s3": {"bucket": {"name": "files", "arn": "more"}, "object": stored}}]})
    with pytest.raises(ZeroDivisionError):
        _failing(_consumer("split_upload"), ZeroDivisionError())(_event(event, 1))
    [copy] = queues.take("uploads")
    [(bucket, found)] = UploadMessage.model_validate(copy).objects()
    assert (bucket, found.key, found.version, found.size_bytes) == ("files", "uploads/a bé.csv", "v1", 7)


def test_a_message_that_cannot_be_copied_returns_as_it_was(
    queues: RecordingQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Transient("SQS is down, too")

    monkeypatch.setattr(queues, "send", refuse)
    with pytest.raises(ZeroDivisionError):
        _failing(_consumer("upsert_chunk"), ZeroDivisionError())(_event(json.dumps(FIELDS), 1))
    assert queues.removed == []


def test_a_message_about_a_thing_that_does_not_exist_is_finished(queues: RecordingQueues) -> None:
    _failing(_consumer("upsert_chunk"), NotFound("there is no such import"))(_event(json.dumps(FIELDS), 1))
    assert queues.retries == []


def test_a_hint_that_is_refused_hides_no_error(queues: RecordingQueues, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Transient("SQS is down, too")

    monkeypatch.setattr(queues, "retry_after", refuse)
    with pytest.raises(Transient, match="broken on purpose"):
        _failing(_consumer("upsert_chunk"), Transient("broken on purpose"))(_event(json.dumps(FIELDS), 1))


@pytest.mark.parametrize("version", ["2", '"1"', "null"])
def test_an_unknown_version_of_a_message_is_refused(version: str, queues: RecordingQueues) -> None:
    body = json.dumps({**FIELDS, "version": json.loads(version)})
    with pytest.raises(ValueError, match="version"):
        _failing(_consumer("upsert_chunk"), AssertionError("it was handled"))(_event(body, 1))
    assert queues.retries == []
