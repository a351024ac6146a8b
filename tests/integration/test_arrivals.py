"""Of two versions of one key, the newer one in S3 wins, whatever the order of their events."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.importing import imports, splitting
from chalicelib.repair import sweeping
from infra.local.testing import Services
from tests.integration.fakes import BUCKET, MemoryFileStore, RecordingQueues, memory_backends

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

KEY = "uploads/a.csv"
EVENT_SECONDS_MAX = 20


def content(name: object) -> bytes:
    return f"sku,name\nA,{name}\n".encode()


def drop(pipeline: Pipeline, name: object, key: str = KEY) -> tuple[str, Message]:
    """Puts a version. Returns it, and its event."""
    version = pipeline.drop(content(name), key)
    event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
    assert event is not None
    return version, event


def finish_all(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Finishes every import. Returns them in the acceptance order."""
    for import_id in pipeline.import_ids():
        pipeline.finish(import_id)
    return pipeline.sql("select object_key, object_version, status::text, error_code from import order by operation")


def test_events_in_reverse_leave_the_newer_content(pipeline: Pipeline) -> None:
    (one, first_event), (two, second_event) = drop(pipeline, "one"), drop(pipeline, "two")

    pipeline.deliver("split_upload", second_event)
    pipeline.deliver("split_upload", first_event)

    found = finish_all(pipeline)
    assert [(each["object_version"], each["status"]) for each in found] == [(one, "completed"), (two, "completed")]
    assert pipeline.products()["a"][1] == "two"


def test_an_older_version_whose_event_never_comes_is_split_too(pipeline: Pipeline) -> None:
    drop(pipeline, "one")
    _, event = drop(pipeline, "two")

    pipeline.deliver("split_upload", event)

    assert [each["status"] for each in finish_all(pipeline)] == ["completed", "completed"]
    assert pipeline.products()["a"][1] == "two"


def test_longer_keys_and_delete_markers_are_left_alone(pipeline: Pipeline) -> None:
    drop(pipeline, "longer", KEY + "2")
    one, _ = drop(pipeline, "one")
    pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=KEY)
    two, event = drop(pipeline, "two")

    pipeline.deliver("split_upload", event)

    assert [each["object_version"] for each in finish_all(pipeline)] == [one, two]


def test_an_event_of_a_version_that_was_removed_changes_nothing_else(pipeline: Pipeline) -> None:
    one, first_event = drop(pipeline, "one")
    two, second_event = drop(pipeline, "two")
    pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=KEY, VersionId=two)

    for event in (second_event, first_event):
        pipeline.deliver("split_upload", event)

    ends = {each["object_version"]: each["error_code"] for each in finish_all(pipeline)}
    assert ends == {one: None, two: "file_gone"}
    assert pipeline.products()["a"][1] == "one"


def test_the_sweep_keeps_the_order_where_a_page_ends_between_versions(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.repair.sweeping.SWEEP_LIST_VERSIONS_MAX", 2)
    versions = [drop(pipeline, number)[0] for number in range(5)]

    for _ in range(3):
        sweeping.sweep(pipeline.backends, event_seconds=0)

    assert [each["object_version"] for each in finish_all(pipeline)] == versions
    assert pipeline.products()["a"][1] == "4"


@dataclass
class Bucket:
    """A bucket in memory, on a real database."""

    pipeline: Pipeline
    files: MemoryFileStore
    queues: RecordingQueues

    def backends(self) -> Backends:
        """The backends of another worker."""
        return memory_backends(self.pipeline.services.together_conninfo, self.files, self.queues)

    def accepted(self) -> list[str]:
        """The versions in the acceptance order."""
        rows = self.pipeline.sql("select object_version from import where operation is not null order by operation")
        return [row["object_version"] for row in rows]

    def put(self, count: int, key: str = KEY) -> list[StoredFile]:
        """Puts versions, oldest first."""
        return [self.files.put(key, content(number)) for number in range(count)]


@pytest.fixture
def bucket(pipeline: Pipeline, services: Services) -> Bucket:
    return Bucket(pipeline, MemoryFileStore(), RecordingQueues())


def handle(backends: Backends, stored: StoredFile) -> None:
    splitting.split_upload(backends, BUCKET, stored, lambda: 0.0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_events_in_any_order_are_accepted_in_the_order_of_s3(bucket: Bucket, order: tuple[int, ...]) -> None:
    backends, versions = bucket.backends(), bucket.put(3)
    for place in order:
        handle(backends, versions[place])
    backends.database.close()

    assert bucket.accepted() == [each.version for each in versions]


def test_versions_that_are_not_imported_are_passed_over(bucket: Bucket) -> None:
    backends = bucket.backends()
    registered, _ = imports.register(backends, imports.Registration("a.csv", 10), uuid.uuid4())
    imports.cancel(backends, registered.id)
    _, newest = bucket.put(2, registered.object_key)

    handle(backends, newest)
    backends.database.close()

    assert bucket.accepted() == []


def test_only_the_newest_versions_are_put_in_order(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.arrivals.KEY_VERSIONS_MAX", 2)
    backends = bucket.backends()
    versions = bucket.put(4)

    handle(backends, versions[3])
    handle(backends, versions[0])
    backends.database.close()

    assert bucket.accepted() == [versions[place].version for place in (2, 3, 0)]


def test_every_older_version_is_sent_to_be_split(bucket: Bucket) -> None:
    backends, versions = bucket.backends(), bucket.put(3)
    handle(backends, versions[2])
    backends.database.close()

    sent = [uuid.UUID(message["continue_import"]) for message in bucket.queues.take("uploads")]
    rows = bucket.pipeline.sql("select id, object_version from import order by operation")
    assert sent == [row["id"] for row in rows if row["object_version"] != versions[2].version]
