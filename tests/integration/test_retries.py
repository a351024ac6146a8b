"""A message whose function fails for now returns in seconds, not after its queue's visibility time-out."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chalicelib.backends.s3 import S3FileStore
from chalicelib.errors import Transient
from chalicelib.limits import RETRY_SECONDS_MIN
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


def _fail(*_: object, **__: object) -> None:
    raise Transient("broken on purpose")
