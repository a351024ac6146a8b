"""Two things at the same moment, held at fault points so that they meet where it matters, without any luck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib.backends import Backends, connect
from chalicelib.backends.file_store import StoredFile
from chalicelib.catalogue import bulk_deletes
from chalicelib.fault_points import switched_on
from chalicelib.importing import imports, splitting, upserting
from chalicelib.messages import ChunkMessage
from chalicelib.settings import settings
from chalicelib.sql import query

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

WAIT_SECONDS_MAX = 20


class Held:
    """A thread that stops at a fault point until it is released."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=[work])

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again in `finish`
            self._failures.append(error)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._thread.join(WAIT_SECONDS_MAX)
        assert not self._thread.is_alive()
        if self._failures:
            raise self._failures[0]


@contextmanager
def held_at(point: str, work: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """Runs `work` in a thread until it first reaches `point`, and holds it there during the block.

    The block gets a function that releases the thread. At the end of the block the thread is released and joined.
    """
    reached, released = threading.Event(), threading.Event()
    thread = Held(work)

    def hold(name: str) -> None:
        if name == point and not reached.is_set():
            reached.set()
            assert released.wait(WAIT_SECONDS_MAX)

    with switched_on(hold):
        thread.start()
        assert reached.wait(WAIT_SECONDS_MAX), f"{point} was not reached"
        try:
            yield released.set
        finally:
            released.set()
            thread.finish()


def in_thread(work: Callable[[], Any]) -> Held:
    started = Held(work)
    started.start()
    return started


def wait_for_lock(pipeline: Pipeline) -> None:
    """Returns when a session is waiting for a lock that another one holds."""
    deadline = threading.Event()
    timer = threading.Timer(WAIT_SECONDS_MAX, deadline.set)
    timer.start()
    try:
        while not pipeline.sql(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename <> current_user"
        ):
            assert not deadline.is_set(), "no session is waiting for a lock"
    finally:
        timer.cancel()


@pytest.fixture
def worker(pipeline: Pipeline) -> Iterator[Callable[[], Backends]]:
    """A function that creates the backends of another worker."""
    created: list[Backends] = []

    def create() -> Backends:
        created.append(connect(settings()))
        return created[-1]

    yield create
    for each in created:
        each.database.close()


@pytest.fixture
def other(worker: Callable[[], Backends]) -> Backends:
    """The backends of a second worker."""
    return worker()


def started(pipeline: Pipeline, content: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[Any]]:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 1)
    import_id = pipeline.upload(content)
    pipeline.split_next()
    bodies = [upserting_message(message) for message in pipeline.chunks()]
    return import_id, bodies


def upserting_message(message: dict[str, Any]) -> ChunkMessage:
    return ChunkMessage.model_validate_json(message["Body"])


def test_of_two_last_chunks_at_once_one_completes_the_import(
    pipeline: Pipeline, other: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id, (first, second) = started(pipeline, b"sku,name\nA,1\nB,2\n", monkeypatch)

    with held_at("chunk.before_commit", lambda: upserting.upsert_chunk(pipeline.backends, first)) as release:
        racer = in_thread(lambda: upserting.upsert_chunk(other, second))
        wait_for_lock(pipeline)
        release()
        racer.finish()

    assert pipeline.show(import_id)["status"] == "completed"
    assert len(pipeline.sql("select 1 from event")) == 1


def test_a_sku_that_two_chunks_add_at_the_same_time_is_written_by_both_in_the_order_of_the_file(
    pipeline: Pipeline, other: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id, (first, second) = started(pipeline, b"sku,name\nA,1\na,2\n", monkeypatch)

    with held_at("chunk.before_commit", lambda: upserting.upsert_chunk(pipeline.backends, second)) as release:
        racer = in_thread(lambda: upserting.upsert_chunk(other, first))
        wait_for_lock(pipeline)
        release()
        racer.finish()

    assert pipeline.products() == {"a": ("a", "2", "", True)}
    ended = pipeline.show(import_id)
    assert (ended["status"], ended["rows"]["created"], ended["rows"]["superseded"]) == ("completed", 1, 1)


def test_a_chunk_that_loses_two_races_for_new_skus_is_still_written(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(b"sku,name\nA,1\nB,2\n")
    pipeline.split_next()
    (message,) = pipeline.chunks()
    add = (
        "insert into product (sku, sku_key, name, description, active, version, name_version, description_version,"
        " active_version, content_version) values (%(sku)s, %(sku)s, 'theirs', '', true, 1, 1, 1, 1, 1)"
    )
    owner = pipeline.services.owner_conninfo
    with psycopg.connect(owner) as first, psycopg.connect(owner) as second:
        first.execute(add, {"sku": "a"})
        second.execute(add, {"sku": "b"})
        racer = in_thread(lambda: upserting.upsert_chunk(pipeline.backends, upserting_message(message)))
        for winner in (first, second):
            wait_for_lock(pipeline)
            winner.commit()
        racer.finish()

    assert pipeline.products() == {"a": ("A", "1", "", True), "b": ("B", "2", "", True)}
    assert pipeline.show(import_id)["status"] == "completed"


def test_a_chunk_locks_its_products_in_the_order_of_their_keys_whatever_the_planner_knows(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name\n" + b"".join(b"%d,x\n" % number for number in range(3000)))
    pipeline.sql("analyze product")
    for wanted in (10, 3000):
        with pipeline.backends.database.transaction() as transaction:
            transaction.run("create_incoming")
            transaction.run("empty_incoming")
            transaction.cursor.execute(
                "insert into incoming (line, sku, name) select n, n::text, 'y' from generate_series(1, %s) n", [wanted]
            )
            transaction.cursor.execute("analyze incoming")
            transaction.run("lock_in_order")
            statement = f"explain (costs off) {query('merge_incoming')}"
            transaction.cursor.execute(statement.encode(), {"operation": 99, "floor": 0})
            plan = [row[0].strip(" ->") for row in transaction.cursor.fetchall()]
            transaction.run("empty_incoming")

        steps = plan[plan.index("Merge on product p") :]
        assert steps[1] == "Nested Loop Left Join", plan
        assert [step for step in steps if step.startswith(("Unique", "Sort Key", "Index Scan"))] == [
            "Unique",
            'Sort Key: keyed.key COLLATE "C", keyed.line DESC',
            "Index Scan using product_sku_key on product p",
        ]


def test_a_last_chunk_and_the_end_of_splitting_at_once_complete_the_import(
    pipeline: Pipeline, worker: Callable[[], Backends], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", 1 << 20)
    row = b"A,b," + b"x" * 60_000 + b"\n"
    stored = pipeline.backends.files.find(_uploaded(pipeline, b"sku,name,description\n" + row * 60))

    with held_at(
        "split.before_done_commit",
        lambda: splitting.split_upload(pipeline.backends, stored_bucket(pipeline), stored, lambda: 60.0),
    ) as release:
        messages = [upserting_message(message) for message in pipeline.chunks()]
        racers = [in_thread(partial(upserting.upsert_chunk, worker(), message)) for message in messages]
        wait_for_lock(pipeline)
        release()
        for racer in racers:
            racer.finish()

    (import_id,) = pipeline.import_ids()
    pipeline.upsert_all()
    assert pipeline.show(import_id)["status"] == "completed"
    assert len(pipeline.sql("select 1 from event")) == 1


def test_chunks_done_before_splitting_ends_do_not_complete_the_import(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", 1 << 20)
    row = b"A,b," + b"x" * 60_000 + b"\n"
    import_id = pipeline.upload(b"sku,name,description\n" + row * 100)
    pipeline.split_next(seconds=0)
    pipeline.upsert_all()

    halfway = pipeline.show(import_id)

    assert halfway["status"] == "processing"
    assert 0 < halfway["percent"] < 100
    assert pipeline.finish(import_id)["status"] == "completed"


def test_a_chunk_that_commits_after_a_cancel_is_rolled_back(
    pipeline: Pipeline, other: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id, (first, _) = started(pipeline, b"sku,name\nA,1\nB,2\n", monkeypatch)

    with held_at("chunk.after_upsert", lambda: upserting.upsert_chunk(other, first)):
        pipeline.call("POST", f"/imports/{import_id}/cancel")

    assert pipeline.products() == {}
    assert pipeline.show(import_id)["rows"]["total"] == 0
    pipeline.upload(b"sku,name\nC,3\n")
    pipeline.split_next()
    (message,) = pipeline.chunks()
    upserting.upsert_chunk(other, upserting_message(message))
    assert pipeline.products() == {"c": ("C", "3", "", True)}, "nothing of the previous chunk is left in the session"


def test_an_import_accepted_just_before_a_bulk_delete_is_ended_by_it(pipeline: Pipeline, other: Backends) -> None:
    stored = pipeline.backends.files.find(_uploaded(pipeline, b"sku,name\nA,1\n"))

    with held_at(
        "accept.before_commit",
        lambda: splitting.split_upload(other, stored_bucket(pipeline), stored, lambda: 60.0),
    ) as release:
        racer = in_thread(lambda: bulk_deletes.accept(pipeline.backends))
        wait_for_lock(pipeline)
        release()
        racer.finish()

    (import_id,) = pipeline.import_ids()
    assert pipeline.show(import_id)["status"] == "cancelled"
    pipeline.upsert_all()
    assert pipeline.products() == {}


@pytest.mark.parametrize("point", ["split.after_begin_commit", "split.before_record"])
def test_two_splitters_of_one_import_create_each_chunk_once(
    pipeline: Pipeline, other: Backends, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", 1 << 20)
    content = b"sku,name,description\n" + b"".join(b"S%d,x,%b\n" % (number, b"x" * 60_000) for number in range(90))
    stored = pipeline.backends.files.find(_uploaded(pipeline, content))
    bucket = stored_bucket(pipeline)

    with held_at(point, lambda: splitting.split_upload(other, bucket, stored, lambda: 60.0)):
        splitting.split_upload(pipeline.backends, bucket, stored, lambda: 0.0)

    (import_id,) = pipeline.import_ids()
    assert pipeline.finish(import_id)["rows"]["created"] == 90
    chunks = pipeline.sql("select start_byte, end_byte, number from chunk order by number")
    starts = [chunk["start_byte"] for chunk in chunks]
    assert starts == sorted(set(starts)), "each byte is in one chunk"
    assert [chunk["number"] for chunk in chunks] == list(range(len(chunks)))


def test_two_workers_that_handle_the_events_of_one_key_accept_its_versions_in_order(
    pipeline: Pipeline, other: Backends
) -> None:
    one, two, three = versions = _versions(pipeline, 3)

    # The first worker has accepted the oldest version when the second overtakes it.
    with held_at("arrival.after_accept", lambda: split(other, pipeline, three)):
        split(pipeline.backends, pipeline, two)
        split(pipeline.backends, pipeline, one)

    assert accepted(pipeline) == [each.version for each in versions]


def test_an_older_version_that_another_worker_is_accepting_still_comes_first(
    pipeline: Pipeline, other: Backends
) -> None:
    one, two = versions = _versions(pipeline, 2)

    with held_at("accept.before_commit", lambda: split(other, pipeline, one)) as release:
        racer = in_thread(lambda: split(pipeline.backends, pipeline, two))
        wait_for_lock(pipeline)
        release()
        racer.finish()

    assert accepted(pipeline) == [each.version for each in versions]


def split(backends: Backends, pipeline: Pipeline, stored: StoredFile) -> None:
    splitting.split_upload(backends, stored_bucket(pipeline), stored, lambda: 60.0)


def accepted(pipeline: Pipeline) -> list[str]:
    """The versions of all imports in the acceptance order."""
    return [row["object_version"] for row in pipeline.sql("select object_version from import order by operation")]


def _versions(pipeline: Pipeline, count: int) -> list[StoredFile]:
    """Puts versions of one key. Returns them, the oldest first."""
    for number in range(count):
        key = _uploaded(pipeline, b"sku,name\nA,%d\n" % number)
    return pipeline.backends.files.versions_of(key, limit=count)[::-1]


def test_the_database_itself_refuses_a_second_event_of_one_attempt(pipeline: Pipeline) -> None:
    import uuid

    ended = pipeline.run(b"sku,name\nA,1\n")

    with (
        pytest.raises(psycopg.errors.UniqueViolation),
        pipeline.backends.database.transaction() as transaction,
    ):
        imports._record_event(transaction, uuid.UUID(ended["id"]), "import.completed")


def stored_bucket(pipeline: Pipeline) -> str:
    return pipeline.services.bucket


def _uploaded(pipeline: Pipeline, content: bytes) -> str:
    """Puts a file into the bucket and takes its event off the queue. Returns its key."""
    pipeline.drop(content)
    assert pipeline.receive("uploads", wait_seconds=5)
    return "uploads/dropped.csv"
