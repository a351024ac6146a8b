"""A small file never waits for a large one, and an import completes whatever message is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib.backends import Backends
from chalicelib.csvfile.boundaries import Splitter
from chalicelib.errors import Transient
from chalicelib.importing import imports, splitting, upserting, window
from chalicelib.limits import IN_FLIGHT_PER_WORKER, SPLIT_AHEAD_CHUNKS_MIN, STALLED_SECONDS
from chalicelib.messages import ChunkMessage
from chalicelib.repair import sweeping
from infra.local.testing import Services
from tests.integration.fakes import BUCKET, MemoryFileStore, RecordingQueues, memory_backends
from tests.integration.killing import killed_at

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

WORKERS = 2
IN_FLIGHT = WORKERS * IN_FLIGHT_PER_WORKER
REFILL = window.refill(IN_FLIGHT)
BLOCK_BYTES = 200
LINE_BYTES = 10
FOREVER = 60.0


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is a chunk, and every twenty rows a block."""
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", LINE_BYTES)
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", BLOCK_BYTES)
    monkeypatch.setattr("chalicelib.importing.splitting.Splitter", partial(Splitter, record_bytes_max=2 * LINE_BYTES))


class Shop:
    """Two workers, whose messages the test delivers in the order in which they were sent."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.sql = pipeline.sql
        self.files, self.queues = MemoryFileStore(), RecordingQueues()
        conninfo = pipeline.services.together_conninfo
        self.backends: Backends = memory_backends(conninfo, self.files, self.queues, chunk_concurrency=WORKERS)

    def upload(self, rows: int, name: str) -> str:
        """Lets the splitter see a file. Returns the import's id."""
        lines = [f"{name}{number:04},n\n".rjust(LINE_BYTES, "x") for number in range(rows)]
        stored = self.files.put(f"uploads/{name}.csv", "".join(["sku,name\n", *lines]).encode())
        splitting.split_upload(self.backends, BUCKET, stored, lambda: FOREVER)
        return str(self.sql("select id from import where object_key = %s", stored.key)[0]["id"])

    def waiting(self) -> list[str]:
        """The imports of the waiting chunk messages, in order."""
        return [str(message["import_id"]) for message in self.queues.sent.get("chunks", [])]

    def take_chunk(self) -> Mapping[str, Any]:
        """Takes the first chunk message off the queue."""
        return self.queues.sent["chunks"].pop(0)

    def upsert(self, message: Mapping[str, Any]) -> None:
        """Writes a chunk."""
        upserting.upsert_chunk(self.backends, ChunkMessage.model_validate(message))

    def step(self) -> bool:
        """Delivers one message. Returns whether there was one."""
        if self.queues.sent.get("uploads"):
            message = self.queues.sent["uploads"].pop(0)
            splitting.continue_splitting(self.backends, uuid.UUID(message["continue_import"]), lambda: FOREVER)
        elif self.queues.sent.get("chunks"):
            self.upsert(self.take_chunk())
        else:
            return False
        return True

    def work(self) -> int:
        """Delivers messages until there are none. Returns how many."""
        steps = 0
        while self.step():
            steps += 1
        return steps

    def sweep(self, stalled_seconds: float = 0) -> None:
        sweeping.sweep(self.backends, stalled_seconds=stalled_seconds, event_seconds=FOREVER)

    def in_flight(self, import_id: str) -> int:
        """How many chunks of an import are sent and not done, as the database counts them."""
        [row] = self.sql("select chunks_sent - chunks_done as number from import where id = %s", import_id)
        return int(row["number"])

    def assert_completed(self, *import_ids: str) -> None:
        for import_id in import_ids:
            [row] = self.sql("select * from import where id = %s", import_id)
            assert (row["status"], row["chunks_done"], row["chunks_sent"]) == ("completed", *2 * (row["chunk_count"],))
            assert row["sum_created"] == row["chunk_count"] == row["split_line"] - 2


@pytest.fixture
def shop(pipeline: Pipeline) -> Iterator[Shop]:
    opened = Shop(pipeline)
    yield opened
    opened.backends.database.close()


# --- the window -------------------------------------------------------------------------------------------------


def test_a_small_file_is_among_the_next_few_chunks_while_a_huge_one_runs(shop: Shop) -> None:
    huge = shop.upload(200, "huge")
    for _ in range(10):
        shop.step()

    small = shop.upload(1, "small")

    assert shop.waiting().index(small) <= IN_FLIGHT
    shop.work()
    shop.assert_completed(huge, small)


def test_the_window_shrinks_with_the_number_of_running_imports_and_grows_again(shop: Shop) -> None:
    first = shop.upload(60, "one")
    assert shop.in_flight(first) == IN_FLIGHT
    others = [shop.upload(2, "two"), shop.upload(2, "three")]

    sizes = []
    while any(shop.in_flight(each) for each in others):
        assert shop.step()
        sizes.append(shop.in_flight(first))

    assert min(sizes) == IN_FLIGHT // 3
    for _ in range(IN_FLIGHT):
        shop.step()
    assert shop.in_flight(first) > IN_FLIGHT - REFILL
    shop.work()
    shop.assert_completed(first, *others)


def test_with_more_imports_than_fit_each_has_one_chunk_in_flight(shop: Shop) -> None:
    many = [shop.upload(3, f"f{number}") for number in range(3 * IN_FLIGHT)]

    assert {shop.in_flight(each) for each in many[IN_FLIGHT:]} == {1}
    shop.work()
    shop.assert_completed(*many)


def test_an_import_alone_has_work_for_all_workers_until_its_last_chunks(shop: Shop) -> None:
    import_id = shop.upload(120, "alone")
    chunks = 0
    while shop.step():
        chunks = max(chunks, int(shop.sql("select chunks_done from import")[0]["chunks_done"]))
        if 120 - chunks > IN_FLIGHT:
            assert len(shop.waiting()) >= WORKERS
    shop.assert_completed(import_id)


# --- the splitter -----------------------------------------------------------------------------------------------


def test_the_splitter_waits_until_chunks_are_done_and_they_wake_it(shop: Shop) -> None:
    import_id = shop.upload(10 * SPLIT_AHEAD_CHUNKS_MIN, "long")
    ahead_max = SPLIT_AHEAD_CHUNKS_MIN + BLOCK_BYTES // LINE_BYTES

    most = 0
    steps = 0
    while not shop.sql("select id from import where status = 'completed'"):
        [row] = shop.sql("select chunk_count - chunks_done as ahead from import")
        most = max(most, int(row["ahead"]))
        assert shop.step()
        steps += 1

    assert SPLIT_AHEAD_CHUNKS_MIN <= most <= ahead_max
    assert steps < 11 * SPLIT_AHEAD_CHUNKS_MIN, "few wake-ups, and no chunk twice"
    shop.assert_completed(import_id)


def test_a_splitter_hands_over_after_its_slice_of_time(shop: Shop) -> None:
    lines = "".join(f"s{number:07},n\n" for number in range(60))
    stored = shop.files.put("uploads/slow.csv", f"sku,name\n{lines}".encode())
    clock = iter([100.0, *[97.0] * 100])

    splitting.split_upload(shop.backends, BUCKET, stored, lambda: next(clock))

    [row] = shop.sql("select split_done, split_waits, chunk_count from import")
    assert (row["split_done"], row["split_waits"]) == (False, False)
    assert row["chunk_count"] > 0
    assert len(shop.queues.sent["uploads"]) == 1
    shop.work()
    assert shop.sql("select status from import") == [{"status": "completed"}]


# --- lost messages ------------------------------------------------------------------------------------------------


def test_a_worker_killed_before_it_sends_the_next_chunk_sends_it_when_its_message_comes_again(shop: Shop) -> None:
    import_id = shop.upload(3 * IN_FLIGHT, "killed")
    for _ in range(REFILL - 1):
        shop.step()
    message = shop.take_chunk()
    with killed_at("chunk.after_commit"):
        shop.upsert(message)
    waiting = len(shop.waiting())

    shop.upsert(message)

    assert len(shop.waiting()) == waiting + REFILL
    shop.work()
    shop.assert_completed(import_id)


def test_a_message_that_was_sent_twice_does_not_multiply(shop: Shop) -> None:
    """The second delivery sends the next chunk again; its copy, delivered after the original, sends nothing."""
    import_id = shop.upload(10 * IN_FLIGHT, "twice")
    for _ in range(REFILL - 1):
        shop.step()
    message = shop.take_chunk()
    shop.upsert(message)
    shop.upsert(message)

    steps = shop.work()

    splits = 2 * 10 * IN_FLIGHT // SPLIT_AHEAD_CHUNKS_MIN + 4
    assert steps <= 10 * IN_FLIGHT + REFILL + splits
    shop.assert_completed(import_id)


def test_a_splitter_that_could_not_send_sends_when_its_message_comes_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(RecordingQueues, "send", _fail)
        with pytest.raises(Transient):
            shop.upload(10, "unsent")
    [row] = shop.sql("select id from import")
    assert shop.waiting() == []

    splitting.continue_splitting(shop.backends, row["id"], lambda: FOREVER)

    assert len(shop.waiting()) == IN_FLIGHT
    shop.work()
    shop.assert_completed(str(row["id"]))


LOSSES: dict[str, Callable[[Shop], object]] = {
    "one chunk": lambda shop: shop.take_chunk(),
    "all chunks": lambda shop: shop.queues.take("chunks"),
    "the splitter's own": lambda shop: shop.queues.take("uploads"),
    "everything": lambda shop: (shop.queues.take("chunks"), shop.queues.take("uploads")),
}


@pytest.mark.parametrize("lost", list(LOSSES))
@pytest.mark.parametrize("steps", [0, 1, 20, 70])
def test_the_sweep_finds_lost_messages_of_every_kind(shop: Shop, lost: str, steps: int) -> None:
    import_id = shop.upload(100, "lossy")
    for _ in range(steps):
        shop.step()
    LOSSES[lost](shop)
    for _ in range(5):
        shop.work()
        shop.sweep()

    shop.assert_completed(import_id)


def test_the_loss_of_every_wake_up_of_a_waiting_splitter_is_found(shop: Shop) -> None:
    import_id = shop.upload(4 * SPLIT_AHEAD_CHUNKS_MIN, "asleep")
    while shop.queues.sent.get("chunks"):
        shop.upsert(shop.take_chunk())
    woken = shop.queues.take("uploads")
    assert 1 < len(woken) < SPLIT_AHEAD_CHUNKS_MIN, "a few, in case one is lost"

    shop.sweep()
    shop.work()

    shop.assert_completed(import_id)


# --- waiting is not stalling --------------------------------------------------------------------------------------


def test_imports_that_wait_for_their_turn_are_not_woken(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [shop.upload(60, "long"), shop.upload(20, "next")]
    before = list(shop.queues.sent["chunks"])

    for _ in range(3):
        shop.sweep()

    assert shop.queues.sent["chunks"] == before
    assert shop.queues.take("uploads") == []
    assert "woken" not in capsys.readouterr().out
    shop.work()
    shop.assert_completed(*waiting)


def test_an_import_that_has_waited_very_long_is_woken_whatever_the_queues_say(shop: Shop) -> None:
    import_id = shop.upload(20, "forgotten")
    shop.sql("update import set advanced_at = now() - interval '16 minutes', started_at = now() - interval '1 hour'")

    shop.sweep(STALLED_SECONDS)

    assert shop.queues.sent["uploads"] == [
        {"version": 1, "faults": 0, "Records": [], "continue_import": import_id},
    ]


# --- the same work for any number of chunks -----------------------------------------------------------------------


def _rows_read(pipeline: Pipeline) -> int:
    """How many rows of chunks all sessions have read."""
    query = "select seq_tup_read + idx_tup_fetch as rows from pg_stat_user_tables where relname = 'chunk'"
    return int(pipeline.sql(query)[0]["rows"])


def _flush(backends: Backends) -> None:
    """Makes what this session has read visible to others."""
    backends.database.connection().execute("select pg_stat_force_next_flush()")
    backends.database.connection().execute("select 1")


@pytest.mark.parametrize("chunks", [1_000, 100_000])
def test_the_end_of_a_chunk_progress_and_the_sweep_read_a_few_rows(
    pipeline: Pipeline, shop: Shop, services: Services, chunks: int
) -> None:
    import_id = shop.upload(10, "real")
    [row] = pipeline.sql("select chunk_count from import")
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute(
            "insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular, done)"
            " select %s, number, 0, 0, 1, false, false, false from generate_series(%s::integer, %s) number",
            [import_id, row["chunk_count"], chunks - 1],
        )
        owner.execute("update import set chunk_count = %s", [chunks])
        owner.execute("analyze chunk")
    _flush(shop.backends)
    before = _rows_read(pipeline)

    shop.upsert(shop.take_chunk())
    with shop.backends.database.transaction() as transaction:
        imports.get(transaction, uuid.UUID(import_id))
        window.size(shop.backends, transaction, None)
    shop.sweep()
    _flush(shop.backends)

    assert _rows_read(pipeline) - before <= 10


def _fail(*_: object, **__: object) -> None:
    raise Transient("broken on purpose")
