"""A real emulator, and a stand-in application whose functions do what its messages say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.aws import Endpoint
from infra.local.lambda_.event_sources import EventSources
from infra.local.lambda_.zygote_client import ZygoteClient
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook
from infra.local.testing import Services, backing_services

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

STANDIN = Path(__file__).parent / "standin"
PARAMETERS = {"PARAMETER_ChunksVisibilitySeconds": "7", "PARAMETER_MaxReceiveCount": "3"}
VISIBILITY_SECONDS = 2
RECEIVES_MAX = 2
WORKERS = 2
SEEN_SECONDS_MAX = 20.0


@pytest.fixture(scope="session")
def local_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services with short visibility time-outs, set by PARAMETER_… variables."""
    with backing_services(tmp_path_factory.mktemp("local"), power_may_fail=False, **PARAMETERS) as started:
        yield started


@dataclass
class Standin:
    """The stand-in application, with its functions running."""

    zygote: ZygoteClient
    events: EventSources
    sqs: SQSClient
    queue_urls: dict[str, str]
    seen_file: Path
    release_file: Path
    logs: Path
    echoed: list[str]

    def send(self, queue: str, **body: Any) -> str:
        """Sends a message; returns its id."""
        return self.sqs.send_message(QueueUrl=self.queue_urls[queue], MessageBody=json.dumps(body))["MessageId"]

    def seen(self, function: str) -> list[dict[str, Any]]:
        """The notes of a function so far."""
        lines = self.seen_file.read_text("utf-8").splitlines() if self.seen_file.exists() else []
        notes: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [note for note in notes if note["function"] == function]

    def wait_for(self, function: str, count: int, which: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
        """Waits until a function has written this many notes; returns them."""
        wait_until(
            lambda: len([note for note in self.seen(function) if which(note)]) >= count,
            SEEN_SECONDS_MAX,
            f"{count} notes of {function}",
        )
        return [note for note in self.seen(function) if which(note)]

    def is_empty(self, queue: str) -> bool:
        """Whether a queue holds no message, visible or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_urls[queue], AttributeNames=names)
        return set(answer["Attributes"].values()) == {"0"}


@pytest.fixture
def standin(local_services: Services, tmp_path: Path) -> Iterator[Standin]:
    """A fresh stand-in with its own queues, all functions running."""
    prefix = f"standin-{uuid.uuid4().hex[:8]}"
    sqs = local_services.endpoint.sqs()
    queue_urls = _create_queues(sqs, prefix)
    environment = {
        **local_services.endpoint.environment(),
        "STAGE": "local",
        "QUEUE_PREFIX": prefix,
        "SEEN_FILE": str(tmp_path / "seen.jsonl"),
        "RELEASE_FILE": str(tmp_path / "release"),
    }
    echoed: list[str] = []
    with ExitStack() as cleanup:
        logbook = LogBook(tmp_path / "logs", echoed.append)
        cleanup.callback(logbook.close)
        zygote = ZygoteClient(STANDIN, "dev", environment, logbook, lambda name: {"OF_FUNCTION": name})
        cleanup.callback(zygote.stop)
        events = _events(zygote, local_services.endpoint, echoed)
        cleanup.callback(events.stop)
        events.start()
        files = Path(environment["SEEN_FILE"]), Path(environment["RELEASE_FILE"])
        yield Standin(zygote, events, sqs, queue_urls, *files, tmp_path / "logs", echoed)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str], Path]:
    """Creates Chalice projects from the text of an app.py."""

    def make(source: str) -> Path:
        project = tmp_path / "project"
        (project / ".chalice").mkdir(parents=True)
        (project / ".chalice" / "config.json").write_text(
            '{"version": "2.0", "app_name": "other", "stages": {"dev": {}}}'
        )
        (project / "app.py").write_text(dedent(source))
        return project

    return make


def _events(zygote: ZygoteClient, endpoint: Endpoint, echoed: list[str]) -> EventSources:
    return EventSources(zygote, endpoint, WORKERS, echoed.append, long_poll_seconds=1)


def _create_queues(sqs: SQSClient, prefix: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    for name in ("work-dead", "work", "slow"):
        attributes: Any = {"VisibilityTimeout": str(VISIBILITY_SECONDS if name == "work" else 30)}
        if name == "work":
            dead = sqs.get_queue_attributes(QueueUrl=urls["work-dead"], AttributeNames=["QueueArn"])
            redrive = {"deadLetterTargetArn": dead["Attributes"]["QueueArn"], "maxReceiveCount": RECEIVES_MAX}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        urls[name] = sqs.create_queue(QueueName=f"{prefix}-{name}", Attributes=attributes)["QueueUrl"]
    return urls
