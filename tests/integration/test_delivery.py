"""At-least-once delivery: messages are lost, late, repeated, reordered, or always fail. One result, one event."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.backends.s3 import S3FileStore
from chalicelib.backends.sqs import SqsQueues
from chalicelib.errors import FileGone, Transient
from chalicelib.repair import sweeping
from functions.invocations import InvocationFailed

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

CONTENT = b"sku,name\n" + b"".join(b"S%d,name %d\n" % (number % 37, number) for number in range(100))
RECEIPT = {"total": 100, "created": 37, "updated": 0, "unchanged": 0, "superseded": 63, "rejected": 0}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 200)
    # All chunks are sent at once: windows are tested in test_fairness.
    monkeypatch.setattr("chalicelib.importing.window.IN_FLIGHT_PER_WORKER", 100)


def events(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.sql("select type, payload->'rows' as rows, payload->>'status' as status from event order by id")


def assert_complete(pipeline: Pipeline, import_id: str) -> None:
    """Checks that the products are those of the file, that the receipt adds up, and that there is one event."""
    found = pipeline.show(import_id)
    assert (found["status"], found["percent"], found["rows"]) == ("completed", 100, RECEIPT)
    last = {f"s{number % 37}": f"name {number}" for number in range(100)}
    assert {key: name for key, (_, name, _, _) in pipeline.products().items()} == last
    assert events(pipeline) == [{"type": "import.completed", "rows": RECEIPT, "status": "completed"}]


def test_chunks_in_any_order_and_twice_give_one_result(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    messages = pipeline.chunks() * 2
    random.Random(5).shuffle(messages)

    for message in messages:
        pipeline.deliver("upsert_chunk", message)

    assert_complete(pipeline, import_id)


def test_a_row_that_changes_nothing_still_beats_the_rows_before_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 1)
    pipeline.run(b"sku,name\nA,last\n")
    import_id = pipeline.upload(b"sku,name\nA,first\nA,last\n")
    pipeline.split_next()

    for message in pipeline.chunks()[::-1]:
        pipeline.deliver("upsert_chunk", message)

    assert pipeline.products()["a"][1] == "last"
    assert pipeline.show(import_id)["rows"]["superseded"] == 1


def test_repeated_and_late_events_change_nothing(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    event = pipeline.receive("uploads", wait_seconds=5)
    assert event is not None
    for _ in range(3):
        pipeline.deliver("split_upload", event)
    pipeline.upsert_all()

    pipeline.deliver("split_upload", event)

    assert pipeline.chunks() == []
    assert_complete(pipeline, import_id)


def test_splitting_continues_where_its_time_ran_out(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", limits.MIB)
    padding = b"," + b"x" * 60_000 + b"\n"
    import_id = pipeline.upload(b"sku,name,description\n" + CONTENT.partition(b"\n")[2].replace(b"\n", padding))

    invocations = 0
    while pipeline.split_next(seconds=0):
        invocations += 1
    pipeline.upsert_all()

    assert invocations > 3
    assert_complete(pipeline, import_id)


def test_a_splitter_killed_between_commit_and_send_leaves_nothing_unsent(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT)
    event = pipeline.receive("uploads", wait_seconds=5)
    assert event is not None
    with monkeypatch.context() as broken:
        broken.setattr(SqsQueues, "send", _fail)
        with pytest.raises(InvocationFailed, match=r"^Transient: "):
            pipeline.deliver("split_upload", event)
    assert pipeline.chunks() == []

    pipeline.deliver("split_upload", event)
    pipeline.upsert_all()

    assert_complete(pipeline, import_id)


def test_an_object_that_is_replaced_during_its_import_is_not_mixed_in(pipeline: Pipeline) -> None:
    pipeline.drop(CONTENT)
    first_event = pipeline.receive("uploads", wait_seconds=5)
    pipeline.drop(b"sku,name\nother,other\n")
    second_event = pipeline.receive("uploads", wait_seconds=5)
    assert first_event
    assert second_event
    pipeline.deliver("split_upload", first_event)
    pipeline.upsert_all()

    assert_complete(pipeline, pipeline.import_ids()[0])
    pipeline.deliver("split_upload", second_event)
    pipeline.upsert_all()
    assert pipeline.products()["other"][1] == "other"
    assert len(pipeline.import_ids()) == 2


def test_an_import_whose_object_is_removed_fails_with_a_reason(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    first, *rest = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)
    found = pipeline.sql("select object_key, object_version from import")[0]
    pipeline.s3.delete_object(
        Bucket=pipeline.services.bucket, Key=found["object_key"], VersionId=found["object_version"]
    )

    for message in rest:
        pipeline.deliver("upsert_chunk", message)

    ended = pipeline.show(import_id)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "file_gone")
    assert events(pipeline)[0]["type"] == "import.failed"


def test_a_chunk_that_always_fails_ends_its_import_and_retry_completes_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    first, poison, *rest = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)
    with monkeypatch.context() as broken:
        broken.setattr(S3FileStore, "read", _fail)
        with pytest.raises(InvocationFailed, match=r"^Transient: "):
            pipeline.deliver("upsert_chunk", poison)

    pipeline.deliver("fail_chunk", poison)

    failed = pipeline.show(import_id)
    assert (failed["status"], failed["error"]["code"], failed["error"]["retryable"]) == ("failed", "chunk_failed", True)
    pipeline.deliver("upsert_chunk", rest[0])
    assert pipeline.show(import_id)["rows"] == failed["rows"], "a failed import accepts no more chunks"

    reopened = pipeline.call("POST", f"/imports/{import_id}/retry")
    assert (reopened.status, reopened.json["status"], reopened.json["attempt"]) == (202, "processing", 2)
    pipeline.deliver("fail_chunk", poison)  # Late, from the previous attempt: it does not affect this one.
    pipeline.finish(import_id)
    pipeline.sql("delete from event where type = 'import.failed'")
    assert_complete(pipeline, import_id)


def test_a_retry_keeps_its_place_before_a_newer_import_of_the_same_skus(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    first, poison, *_ = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)
    pipeline.deliver("fail_chunk", poison)
    newer = pipeline.run(b"sku,name\n" + b"".join(b"s%d,newer\n" % number for number in range(20)))

    pipeline.call("POST", f"/imports/{import_id}/retry")
    ended = pipeline.finish(import_id)

    assert (newer["status"], ended["status"]) == ("completed", "completed")
    last = {f"s{number % 37}": f"name {number}" for number in range(100)}
    expected = last | {f"s{number}": "newer" for number in range(20)}
    assert {key: name for key, (_, name, _, _) in pipeline.products().items()} == expected
    assert ended["rows"]["total"] == sum(ended["rows"].values()) - ended["rows"]["total"] == 100


def test_a_dead_letter_of_a_finished_chunk_changes_nothing(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    first, *rest = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)

    pipeline.deliver("fail_chunk", first)
    for message in rest:
        pipeline.deliver("upsert_chunk", message)

    assert_complete(pipeline, import_id)


def test_an_upload_that_cannot_be_split_ends_its_import_and_retry_completes_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT)
    event = pipeline.receive("uploads", wait_seconds=5)
    assert event is not None
    with monkeypatch.context() as broken:
        broken.setattr(S3FileStore, "read", _fail)
        with pytest.raises(InvocationFailed, match=r"^Transient: "):
            pipeline.deliver("split_upload", event)

    pipeline.deliver("fail_upload", event)

    assert pipeline.show(import_id)["error"]["code"] == "split_failed"
    assert pipeline.call("POST", f"/imports/{import_id}/retry").status == 202
    pipeline.finish(import_id)
    pipeline.sql("delete from event where type = 'import.failed'")
    assert_complete(pipeline, import_id)


def test_a_retry_is_refused_when_the_file_is_gone(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    (message, *_) = pipeline.chunks()
    pipeline.deliver("fail_chunk", message)
    found = pipeline.sql("select object_key, object_version from import")[0]
    pipeline.s3.delete_object(
        Bucket=pipeline.services.bucket, Key=found["object_key"], VersionId=found["object_version"]
    )

    answer = pipeline.call("POST", f"/imports/{import_id}/retry")

    assert (answer.status, answer.json["code"]) == (409, "file_gone")


def test_a_folder_created_in_a_console_is_not_an_import(pipeline: Pipeline) -> None:
    pipeline.drop(b"", "uploads/spring/")
    assert pipeline.split_next()
    sweeping.sweep(pipeline.backends, event_seconds=0)

    assert pipeline.import_ids() == []


def test_the_sweep_finds_uploads_whose_event_was_lost(pipeline: Pipeline) -> None:
    registered = pipeline.upload(CONTENT)
    pipeline.drop(b"sku,name\nother,other\n")
    assert pipeline.receive("uploads", wait_seconds=5)
    assert pipeline.receive("uploads", wait_seconds=5)

    sweeping.sweep(pipeline.backends, event_seconds=0)
    pipeline.finish(registered)

    (_, dropped) = pipeline.import_ids()
    pipeline.finish(dropped)
    assert len(pipeline.products()) == 38


def test_the_sweep_goes_through_the_whole_listing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.repair.sweeping.SWEEP_LIST_VERSIONS_MAX", 2)
    for number in range(5):
        pipeline.drop(b"sku,name\nA,b\n", f"uploads/zz-{number}.csv")

    for _ in range(3):
        sweeping.sweep(pipeline.backends, event_seconds=0)

    assert len(pipeline.import_ids()) == 5


def test_the_sweep_leaves_new_objects_to_their_event(pipeline: Pipeline) -> None:
    pipeline.drop(CONTENT, "uploads/fresh.csv")
    sweeping.sweep(pipeline.backends)

    assert pipeline.sql("select filename from import where filename = 'fresh.csv'") == []


def test_the_sweep_sends_lost_chunks_again(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    lost = pipeline.chunks()
    assert len(lost) > 3
    sweeping.sweep(pipeline.backends)
    assert pipeline.receive("uploads") is None, "it has not stalled yet"

    sweeping.sweep(pipeline.backends, stalled_seconds=0)
    pipeline.finish(import_id)

    assert_complete(pipeline, import_id)


def test_the_sweep_ends_uploads_that_never_arrived(pipeline: Pipeline) -> None:
    registered = pipeline.register(100)
    sweeping.sweep(pipeline.backends)
    assert pipeline.show(registered["id"])["status"] == "pending"

    pipeline.sql("update import set upload_expires_at = now() - interval '2 hours'")
    sweeping.sweep(pipeline.backends)

    ended = pipeline.show(registered["id"])
    assert (ended["status"], ended["error"]["code"]) == ("failed", "upload_expired")


def test_the_sweep_ends_imports_whose_file_was_lost(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    monkeypatch.setattr(S3FileStore, "find", _gone)

    sweeping.sweep(pipeline.backends, stalled_seconds=0)

    assert pipeline.show(import_id)["error"]["code"] == "file_gone"


def test_the_sweep_ends_imports_without_progress_for_a_day(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    pipeline.sql(
        "update import set attempt_started_at = now() - interval '25 hours', advanced_at = now() - interval '3 minutes'"
    )

    sweeping.sweep(pipeline.backends)

    ended = pipeline.show(import_id)
    assert (ended["error"]["code"], ended["error"]["retryable"]) == ("stalled", True)


def _fail(*_: object, **__: object) -> None:
    raise Transient("broken on purpose")


def _gone(*_: object, **__: object) -> None:
    raise FileGone("gone on purpose")
