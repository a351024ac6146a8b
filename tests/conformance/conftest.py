"""An emulator of S3 and SQS alone, with the bucket and the queues of infra/resources.yml.

EMULATOR names it, as for `make run`; `make conformance` runs everything on each. EMULATOR=external uses what answers at
AWS_ENDPOINT_URL, such as LocalStack in Docker. GAPS lists what an emulator cannot do.

The tests of the file store and of the queues run on the fakes of the integration tests, too.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.backends.s3 import S3FileStore
from infra.local import options
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator, resources
from tests.conformance.stores import MEMORY_GAPS, BucketClients, MemoryClients, Store
from tests.integration.fakes import MemoryFileStore
from tests.support.silence import silent

GAPS: dict[str, dict[str, str]] = {
    "localstack": {
        "pages_of_quoted_names": "compares plain names with names as quoted in a URL, and loses its place",
    },
    "ministack": {
        "cors": "answers the page with *, not with its origin",
        "deleting_twice": "refuses the receipt handle of a message that was deleted",
        "headers_of_versions": "leaves out the headers that a link to a version asks for",
        "message_moves": "does not know StartMessageMoveTask",
        "part_size": "takes parts of any size, where S3 requires 5 MiB",
        "whole_signatures": "accepts links without a signature, and with headers that the signature does not cover",
        "restored_versions": "does not read a version that was restored",
    },
    "external": {"closed": "is not started by us, so it may serve everyone"},
}
PAGE = "http://page.example"
"""The origin of the page."""
VISIBILITY_SECONDS = 2
RECEIVES_MAX = 2


@dataclass(frozen=True)
class Emulated:
    """The emulated S3 and SQS under test."""

    name: str
    endpoint: Endpoint
    bucket: str
    uploads_url: str
    """The queue that S3 notifies of new objects."""
    stage: str

    def needs(self, ability: str) -> None:
        """Skips the test, with the reason, if the emulator is known not to support this."""
        if ability in GAPS[self.name]:
            pytest.skip(f"{self.name} {GAPS[self.name][ability]}")


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulator, started once."""
    directory = tmp_path_factory.mktemp("conformance")
    names = ("EMULATOR", "AWS_ENDPOINT_URL") if os.environ.get("EMULATOR") == "external" else ("EMULATOR",)
    given = {name: os.environ.get(name, "") for name in names}
    chosen = options.read({"DATA_DIR": str(directory), "PARAMETER_UiOrigins": PAGE, **given})
    forget_personal_settings()
    logbook = LogBook(directory / "logs", silent)
    running = emulator.start(chosen, logbook, silent)
    try:
        running.wait_ready()
        # Its own stage, so that other users of the same emulator are not disturbed.
        stage = f"c{uuid.uuid4().hex[:8]}"
        overrides = {"Stage": stage, "UiOrigins": PAGE}
        made = resources.create(running.endpoint, resources.declared(overrides))
        uploads = made.queue_urls[f"product-importer-{stage}-uploads"]
        yield Emulated(running.name, running.endpoint, made.bucket, uploads, stage)
    finally:
        running.stop()
        logbook.close()


@pytest.fixture
def ours(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """The emulator, with the environment that lets our own clients find it."""
    for name, value in emulated.endpoint.environment().items():
        monkeypatch.setenv(name, value)
    return emulated


@pytest.fixture(params=["emulator", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    """A file store with the other clients of its bucket."""
    if request.param == "memory":
        files = MemoryFileStore()
        return Store("the fake", files, MemoryClients(files), MEMORY_GAPS)
    emulated: Emulated = request.getfixturevalue("ours")
    return Store(
        emulated.name,
        S3FileStore(emulated.bucket),
        BucketClients(emulated.endpoint.s3(), emulated.bucket),
        GAPS[emulated.name],
    )


@pytest.fixture
def s3(emulated: Emulated) -> Any:
    return emulated.endpoint.s3()


@pytest.fixture
def sqs(emulated: Emulated) -> Any:
    return emulated.endpoint.sqs()


@dataclass(frozen=True)
class Queue:
    """A queue with a short visibility time-out and a dead-letter queue."""

    url: str
    dead_url: str
    arn: str
    dead_arn: str


@pytest.fixture
def queue(sqs: Any) -> Queue:
    """A new queue for each test."""
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
