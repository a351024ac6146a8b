"""An emulator of S3 and SQS alone, with the bucket and the queues of infra/resources.yml.

Which one is what EMULATOR says, as for `make run`; `make conformance` runs everything on each. EMULATOR=external with
AWS_ENDPOINT_URL takes LocalStack in Docker, or what else answers there. What one cannot do is named in GAPS, once.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.backends.file_store import Files
from infra.local import options
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator, resources
from tests.support.silence import silent

GAPS: dict[str, dict[str, str]] = {
    "localstack": {
        "pages_of_quoted_names": "compares names as they are with names as they stand in a URL, and loses its place",
    },
    "ministack": {
        "cors": "answers every origin with *",
        "deleting_twice": "refuses the receipt handle of a message that was deleted",
        "headers_of_versions": "leaves out the headers that a link to a version asks for",
        "message_moves": "does not know StartMessageMoveTask",
        "part_size": "takes parts of any size, where S3 wants 5 MiB",
    },
    "external": {},
}
VISIBILITY_SECONDS = 2
RECEIVES_MAX = 2


@dataclass(frozen=True)
class Stand:
    """The emulator under test."""

    name: str
    endpoint: Endpoint
    bucket: str
    uploads_url: str
    """The queue that S3 tells of new objects."""

    def needs(self, ability: str) -> None:
        """Skips the test, visibly, where the emulator is known not to have this."""
        if ability in GAPS[self.name]:
            pytest.skip(f"{self.name} {GAPS[self.name][ability]}")


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The emulator, started once."""
    directory = tmp_path_factory.mktemp("conformance")
    names = ("EMULATOR", "AWS_ENDPOINT_URL") if os.environ.get("EMULATOR") == "external" else ("EMULATOR",)
    chosen = options.read({"DATA_DIR": str(directory), **{name: os.environ.get(name, "") for name in names}})
    forget_personal_settings()
    logbook = LogBook(directory / "logs", silent)
    running = emulator.start(chosen, logbook, silent)
    try:
        running.wait_ready()
        # A stage of its own, so that an emulator that others use too is not disturbed.
        stage = f"c{uuid.uuid4().hex[:8]}"
        overrides = {"Stage": stage, "UiOrigins": "http://page.example"}
        made = resources.create(running.endpoint, resources.declared(overrides))
        uploads = made.queue_urls[f"product-importer-{stage}-uploads"]
        yield Stand(running.name, running.endpoint, made.bucket, uploads)
    finally:
        running.stop()
        logbook.close()


@pytest.fixture
def files(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Our own file store on it."""
    for name, value in stand.endpoint.environment().items():
        monkeypatch.setenv(name, value)
    return Files(stand.bucket)


@pytest.fixture
def s3(stand: Stand) -> Any:
    return stand.endpoint.s3()


@pytest.fixture
def sqs(stand: Stand) -> Any:
    return stand.endpoint.sqs()


@dataclass(frozen=True)
class Queue:
    """A queue with a short visibility time-out and a dead-letter queue."""

    url: str
    dead_url: str
    arn: str
    dead_arn: str


@pytest.fixture
def queue(sqs: Any) -> Queue:
    """A fresh one for each test."""
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    dead_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    dead_arn = _arn(sqs, dead_url)
    redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": RECEIVES_MAX}
    attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return Queue(url, dead_url, _arn(sqs, url), dead_arn)


def _arn(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
