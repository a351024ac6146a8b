"""A message whose function fails for now returns in seconds, not after its queue's visibility time-out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from chalicelib.backends.s3 import S3FileStore
from chalicelib.errors import Transient
from chalicelib.limits import FAULTS_MAX, RETRY_SECONDS_MIN
from functions.invocations import InvocationFailed
from tests.support.pipeline import Pipeline

CONTENT = b"sku,name\nA-1,Hammer\n"
POLL_SECONDS = 20
EARLY_SECONDS = 0.9
"""Emulators count in whole seconds of the clock."""


def _receive(pipeline: Pipeline, url: str) -> Any:
    """The next message, which stays in its queue, as for Lambda."""
    answer = pipeline.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=POLL_SECONDS, AttributeNames=["All"])
    (message,) = answer["Messages"]
    return message


def test_a_chunk_that_failed_for_now_returns_after_the_first_wait(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = pipeline.services.queue_urls["product-importer-local-chunks"]
    attributes = pipeline.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert int(attributes["VisibilityTimeout"]) > POLL_SECONDS + RETRY_SECONDS_MIN
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    message = _receive(pipeline, url)
    with monkeypatch.context() as broken:
        broken.setattr(S3FileStore, "read", _fail)
        with pytest.raises(InvocationFailed, match=r"^Transient: "):
            pipeline.deliver("upsert_chunk", message)
    failed = time.monotonic()

    again = _receive(pipeline, url)

    assert time.monotonic() - failed >= RETRY_SECONDS_MIN - EARLY_SECONDS
    assert again["MessageId"] == message["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    pipeline.deliver("upsert_chunk", again)
    assert pipeline.show(import_id)["status"] == "completed"


def test_a_chunk_that_ended_with_a_bug_is_replaced_by_a_copy_that_counts_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.work.FAULT_SECONDS", 0)
    url = pipeline.services.queue_urls["product-importer-local-chunks"]
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    message = _receive(pipeline, url)
    with monkeypatch.context() as broken:
        broken.setattr(S3FileStore, "read", _crash)
        for faults in range(1, FAULTS_MAX):
            with pytest.raises(InvocationFailed, match=r"^ZeroDivisionError: "):
                pipeline.deliver("upsert_chunk", message)
            message = _receive(pipeline, url)
            assert json.loads(message["Body"])["faults"] == faults
        with pytest.raises(InvocationFailed):
            pipeline.deliver("upsert_chunk", message)
    counts = pipeline.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {name: count for name, count in counts.items() if "NumberOf" in name and count != "0"} == {}

    dead = pipeline.receive("chunks-dead", POLL_SECONDS)
    assert dead is not None
    pipeline.deliver("fail_chunk", dead)

    assert pipeline.show(import_id)["error"]["code"] == "chunk_failed"


def _crash(*_: object, **__: object) -> None:
    raise ZeroDivisionError("broken on purpose")


def _fail(*_: object, **__: object) -> None:
    raise Transient("broken on purpose")
