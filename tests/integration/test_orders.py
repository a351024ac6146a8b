"""One result in any order: reordered and redelivered chunks, concurrent workers, splitters and imports."""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from chalicelib import fault_points, limits
from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.backends.s3 import S3FileStore
from chalicelib.catalogue import bulk_deletes, products
from chalicelib.catalogue.products import Changes, Content
from chalicelib.importing import imports, splitting
from chalicelib.importing.upserting import upsert_chunk
from chalicelib.messages import ChunkMessage, UploadMessage
from chalicelib.repair import dead_letters
from infra.local.processes.deadline import wait_until
from infra.local.testing import TOGETHER
from tests.support.concurrency import meeting_at, together, workers

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

WORKERS = 4
CHUNKS = 6
ROWS_PER_CHUNK = 8
LINE_BYTES = 40
RETRY_SECONDS_MAX = 10
EXITED_SECONDS_MAX = 10

CONTENT_AND_VERSIONS = """
    select sku, sku_key, name, description, active, deleted, version, name_version, description_version, active_version
    from product order by sku_key
"""
PRODUCT_COLUMNS = """
    id, sku, sku_key, name, description, active, deleted, version, name_version, description_version, active_version,
    content_version, created_at, updated_at
"""


@pytest.fixture(autouse=True)
def all_chunks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are those of all chunks: windows are tested in test_fairness."""
    monkeypatch.setattr("chalicelib.importing.window.IN_FLIGHT_PER_WORKER", 100)


def to_do(message: Message) -> ChunkMessage:
    """Returns the content of a message of the chunks queue."""
    return ChunkMessage.model_validate_json(message["Body"])


def catalogue(pipeline: Pipeline) -> dict[str, tuple[str, str, bool]]:
    """Returns what people see: SKU → name, description, active."""
    visible = "select sku, name, description, active from product, barrier where not deleted and version >= floor"
    return {row["sku"]: (row["name"], row["description"], row["active"]) for row in pipeline.sql(visible)}


def completion_events(pipeline: Pipeline) -> list[str]:
    """Returns the import's id of each completion event."""
    events = pipeline.sql("select payload->>'id' as id from event where type = 'import.completed' order by 1")
    return [row["id"] for row in events]


# --- every order of a small import --------------------------------------------------------------------------------


def fixed_lines(rows: list[tuple[str, str, str]]) -> bytes:
    """Returns rows of sku, name, active, padded to the same length, so that each chunk has the same number of rows."""
    lines = []
    for sku, name, active in rows:
        text = f"{sku},{name},,{active}\n"
        lines.append(f"{sku},{name},{'.' * (LINE_BYTES - len(text.encode()))},{active}\n")
    return "".join(lines).encode()


def hostile_rows() -> list[tuple[str, str, str]]:
    """Returns eleven SKUs over six chunks, in upper and lower case, with gaps in `active` and a few bad rows."""
    chance = random.Random(20)
    rows = []
    for number in range(CHUNKS * ROWS_PER_CHUNK):
        sku = f"{chance.choice('Ss')}{number % 11}"
        rows.append((sku, f"name {chance.randrange(3)}", chance.choice(["", "", "yes", "no"])))
    rows[9] = ("S9", "", "yes")
    rows[30] = ("S8", "name 1", "perhaps")
    return rows


def stock_before(backends: Backends) -> dict[str, int]:
    """Creates what the import finds when it is accepted: products, a tombstone, and a row below the floor."""
    products.create(backends, Content("S0", "below the floor", "old", active=False))
    bulk_deletes.accept(backends)
    made = {}
    for number in range(1, 7):
        made[f"S{number}"] = products.create(backends, Content(f"S{number}", "name 1", "", number % 2 == 0)).id
    products.delete(backends, made.pop("S6"))
    return made


def edit_after(backends: Backends, made: dict[str, int]) -> None:
    """Does what people do between the acceptance of the import and its first chunk. All of it survives the import."""
    products.edit(backends, made["S2"], Changes(name="edited"))
    products.edit(backends, made["S3"], Changes(active=False))
    products.edit(backends, made["S4"], Changes(sku="s4", name="edited", description="edited"))
    products.delete(backends, made["S5"])
    products.create(backends, Content("S7", "created", "created", active=False))


class RememberedFiles(S3FileStore):
    """Reads every range once: S3's answers are the same in every order, and requests would take half of the time."""

    def __init__(self, bucket: str) -> None:
        super().__init__(bucket)
        self._read: dict[tuple[str, str, int, int], bytes] = {}

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        named = (key, version, start, end)
        if named not in self._read:
            self._read[named] = super().read(*named)
        return self._read[named]


@contextmanager
def hurried_backends(pipeline: Pipeline) -> Iterator[Backends]:
    """Yields backends that wait for neither S3 nor the disk: thousands of chunks in seconds, with the same results."""
    database = Database(make_conninfo(pipeline.services.together_conninfo, options="-c synchronous_commit=off"))
    yield replace(pipeline.backends, database=database, files=RememberedFiles(pipeline.services.bucket))
    database.close()


class Again:
    """Resets everything to the moment before the first chunk, much faster than a new upload."""

    def __init__(self, pipeline: Pipeline, import_id: str) -> None:
        self._import_id = import_id
        conninfo = make_conninfo(pipeline.services.owner_conninfo, options="-c synchronous_commit=off")
        self._connection = psycopg.connect(conninfo, autocommit=True, row_factory=dict_row)
        self._connection.execute(f"create temporary table stored as select {PRODUCT_COLUMNS} from product".encode())

    def __enter__(self) -> Again:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rewind(self) -> None:
        with self._connection.transaction():
            self._connection.execute("delete from product")
            self._connection.execute(
                f"insert into product ({PRODUCT_COLUMNS}) select {PRODUCT_COLUMNS} from stored".encode()
            )
            self._connection.execute(
                "update chunk set done = false, done_at = null, created = 0, updated = 0, unchanged = 0,"
                " superseded = 0, rejected = 0, rejected_stored = 0, rejected_stored_bytes = 0"
            )
            self._connection.execute(
                "update import set status = 'processing', finished_at = null, chunks_done = 0, sum_bytes = 0,"
                " sum_created = 0, sum_updated = 0, sum_unchanged = 0, sum_superseded = 0, sum_rejected = 0,"
                " sum_rejected_stored = 0, sum_rejected_stored_bytes = 0"
            )
            self._connection.execute("delete from rejected_row")
            self._connection.execute("delete from event where type like 'import.%'")

    def result(self) -> dict[str, Any]:
        """Returns everything that the order must not change."""
        status = self._connection.execute("select status from import").fetchall()
        sums = self._connection.execute(
            "select sum_created as created, sum_updated as updated, sum_unchanged as unchanged,"
            " sum_superseded as superseded, sum_rejected as rejected from import where id = %s",
            [self._import_id],
        ).fetchone()
        assert sums is not None
        receipt = {name: sums[name] for name in ("created", "superseded", "rejected")}
        return {
            "status": status,
            "receipt": {**receipt, "updated or unchanged": sums["updated"] + sums["unchanged"]},
            "products": self._connection.execute(CONTENT_AND_VERSIONS).fetchall(),
            "rejected": self._connection.execute(
                "select line, column_name, code, raw from rejected_row order by line"
            ).fetchall(),
            "events": self._connection.execute(
                "select dedupe_key, payload->>'status' as status from event where type like 'import.%'"
            ).fetchall(),
        }


def with_redeliveries(order: tuple[ChunkMessage, ...], chance: random.Random) -> list[ChunkMessage]:
    """Returns the messages with a second delivery of each, somewhere after its first."""
    deliveries = list(order)
    for message in order:
        first = deliveries.index(message)
        deliveries.insert(chance.randrange(first + 1, len(deliveries) + 1), message)
    return deliveries


def test_all_orders_of_six_chunks_delivered_twice_each_give_the_same_result(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", ROWS_PER_CHUNK * LINE_BYTES)
    made = stock_before(pipeline.backends)
    import_id = pipeline.upload(b"sku,name,description,active\n" + fixed_lines(hostile_rows()))
    pipeline.split_next()
    edit_after(pipeline.backends, made)
    messages = [to_do(message) for message in pipeline.chunks()]
    assert len(messages) == CHUNKS

    chance = random.Random(6)
    expected: dict[str, Any] = {}
    with hurried_backends(pipeline) as backends, Again(pipeline, import_id) as again:
        for order in itertools.permutations(messages):
            again.rewind()
            for message in with_redeliveries(order, chance):
                upsert_chunk(backends, message)
            result = again.result()
            expected = expected or result
            assert result == expected, [message.chunk for message in order]

    rows = hostile_rows()
    assert sum(expected["receipt"].values()) == len(rows)
    assert expected["receipt"]["rejected"] == 2
    assert [event["status"] for event in expected["events"]] == ["completed"]
    assert catalogue(pipeline) == in_order_of_acceptance(rows)


def in_order_of_acceptance(rows: list[tuple[str, str, str]]) -> dict[str, tuple[str, str, bool]]:
    """Returns the catalogue that results from the stock, the file row by row, and the edits, one at a time."""
    written: dict[str, dict[str, Any]] = {f"s{number}": {"active": number % 2 == 0} for number in range(1, 6)}
    for sku, name, active in rows:
        if not name or active == "perhaps":
            continue
        padding = "." * (LINE_BYTES - len(f"{sku},{name},,{active}\n"))
        product = written.setdefault(sku.lower(), {"active": True})
        product.update(sku=sku, name=name, description=padding)
        if active:
            product["active"] = active == "yes"
    written["s2"]["name"] = "edited"
    written["s3"]["active"] = False
    written["s4"].update(sku="s4", name="edited", description="edited")
    del written["s5"]
    written["s7"] = {"sku": "S7", "name": "created", "description": "created", "active": False}
    return {each["sku"]: (each["name"], each["description"], each["active"]) for each in written.values()}


# --- a large import -----------------------------------------------------------------------------------------------


def test_a_hundred_thousand_rows_in_shuffled_chunks_equal_what_python_reads_row_by_row(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 64 * limits.KIB)
    rows, skus = 100_000, 12_000
    chance = random.Random(100)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["sku", "name", "description"])
    for number in range(rows):
        writer.writerow([f"SKU-{chance.randrange(skus)}", f'"{number}", the name', f"line one\nline {number % 7}"])
    content = out.getvalue()
    expected = {
        row["sku"]: (row["name"], row["description"], True) for row in csv.DictReader(io.StringIO(content, newline=""))
    }
    import_id = pipeline.upload(content.encode())
    pipeline.split_next()
    messages = pipeline.chunks()
    delivered = 0
    while messages:
        chance.shuffle(messages)
        pipeline.deliver("upsert_chunk", messages.pop())
        messages += pipeline.chunks()
        delivered += 1
    assert delivered > 50

    ended = pipeline.show(import_id)
    receipt = {"created": len(expected), "updated": 0, "unchanged": 0, "superseded": rows - len(expected)}
    assert ended["status"] == "completed"
    assert ended["rows"] == {"total": rows, **receipt, "rejected": 0}
    assert catalogue(pipeline) == expected


# --- at once --------------------------------------------------------------------------------------------------------


def test_one_message_delivered_to_four_workers_at_once_is_done_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", ROWS_PER_CHUNK * LINE_BYTES)
    rows = [(f"S{number % 20}", f"name {number}", "") for number in range(3 * ROWS_PER_CHUNK)]
    rows[4] = ("", "no SKU", "")
    import_id = pipeline.upload(b"sku,name,description,active\n" + fixed_lines(rows))
    pipeline.split_next()
    messages = [to_do(message) for message in pipeline.chunks()]
    assert len(messages) == 3

    with workers(WORKERS) as backends:
        for message in messages:
            # All workers have found the chunk unfinished, and parsed it, before the first of them writes.
            with fault_points.switched_on(meeting_at(["chunk.after_copy"], WORKERS)):
                together(*(partial(upsert_chunk, each, message) for each in backends))

    ended = pipeline.show(import_id)
    expected = {sku: name for sku, name, _ in rows if sku}
    superseded = len(rows) - 1 - len(expected)
    receipt = {"created": len(expected), "updated": 0, "unchanged": 0, "superseded": superseded, "rejected": 1}
    assert (ended["status"], ended["rows"]) == ("completed", {"total": len(rows), **receipt})
    assert completion_events(pipeline) == [import_id]
    assert {sku: name for sku, (name, _, _) in catalogue(pipeline).items()} == expected


def test_the_last_chunks_done_at_once_complete_the_import_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", ROWS_PER_CHUNK * LINE_BYTES)
    # The first row of each chunk has no name: a rejected row locks the import through its foreign key.
    rows = [(f"S{n}", "name" if n % ROWS_PER_CHUNK else "", "") for n in range(WORKERS * ROWS_PER_CHUNK)]
    import_id = pipeline.upload(b"sku,name,description,active\n" + fixed_lines(rows))
    pipeline.split_next()
    messages = [to_do(message) for message in pipeline.chunks()]
    assert len(messages) == WORKERS

    # Each has written its own products before the first of them checks whether the others are done.
    with workers(WORKERS) as backends, fault_points.switched_on(meeting_at(["chunk.after_rejected"], WORKERS)):
        together(*(partial(upsert_chunk, each, message) for each, message in zip(backends, messages, strict=True)))

    ended = pipeline.show(import_id)
    receipt = ended["rows"]
    assert (ended["status"], receipt["created"], receipt["rejected"]) == ("completed", len(rows) - WORKERS, WORKERS)
    assert completion_events(pipeline) == [import_id]


@pytest.mark.parametrize("allowed", [0, 3, 4, 11, 12, 13])
def test_chunks_at_once_store_together_no_more_rejected_rows_than_an_import_may(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    """Each finds the allowance unused, whether it ends with a number of rows or of bytes."""
    bad_per_chunk, raw_bytes = 3, LINE_BYTES - 1
    row_bytes = raw_bytes + len("name" + "name_missing" + "The name is empty. Every product needs a name.")
    maximum, unit = ("REJECTED_BYTES_STORED_MAX", row_bytes) if allowed % 2 else ("REJECTED_ROWS_STORED_MAX", 1)
    monkeypatch.setattr(f"chalicelib.importing.upserting.{maximum}", allowed * unit)
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", ROWS_PER_CHUNK * LINE_BYTES)
    rows = [(f"S{n}", "name" if n % ROWS_PER_CHUNK >= bad_per_chunk else "", "") for n in range(4 * ROWS_PER_CHUNK)]
    import_id = pipeline.upload(b"sku,name,description,active\n" + fixed_lines(rows))
    pipeline.split_next()
    messages = [to_do(message) for message in pipeline.chunks()]

    with workers(WORKERS) as backends, fault_points.switched_on(meeting_at(["chunk.after_rejected"], WORKERS)):
        together(*(partial(upsert_chunk, each, message) for each, message in zip(backends, messages, strict=True)))

    ended = pipeline.show(import_id)
    assert (ended["status"], ended["rows"]["rejected"]) == ("completed", WORKERS * bad_per_chunk)
    stored = pipeline.sql("select line, length(raw) as bytes from rejected_row order by line")
    assert len(stored) == min(allowed, WORKERS * bad_per_chunk)
    assert {row["bytes"] for row in stored} <= {raw_bytes}
    assert {(row["line"] - 2) % ROWS_PER_CHUNK for row in stored} <= set(range(bad_per_chunk))


def test_events_delivered_twice_at_once_and_again_later_import_each_file_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 200)
    bodies = [b"".join(b"%s%d,name %d\n" % (letter, n % 29, n) for n in range(60)) for letter in (b"A", b"B", b"C")]
    import_ids = [pipeline.upload(b"sku,name\n" + body) for body in bodies]
    events = [event for _ in import_ids if (event := pipeline.receive("uploads", wait_seconds=5))]
    assert len(events) == len(import_ids)

    with workers(2) as backends:
        for event in events:
            # Both have accepted the object and read its head before the first of them splits it.
            with fault_points.switched_on(meeting_at(["split.after_head"], 2)):
                together(*(partial(split, each, event) for each in backends))
        together(*(partial(split_all, each, events) for each in backends))
        assert_tiled(pipeline)
        pipeline.upsert_all()
        together(*(partial(split_all, each, events[::-1]) for each in backends))

    assert pipeline.chunks() == [], "late events send nothing"
    assert sorted(pipeline.import_ids()) == sorted(import_ids)
    for import_id in import_ids:
        ended = pipeline.show(import_id)
        receipt = {"created": 29, "updated": 0, "unchanged": 0, "superseded": 31, "rejected": 0}
        assert (ended["status"], ended["rows"]) == ("completed", {"total": 60, **receipt})
    assert completion_events(pipeline) == sorted(import_ids)


def split(backends: Backends, event: Message) -> None:
    """Handles an S3 event as split_upload does, on the given backends."""
    for bucket, stored in UploadMessage.model_validate_json(event["Body"]).objects():
        splitting.split_upload(backends, bucket, stored, lambda: 60.0)


def split_all(backends: Backends, events: list[Message]) -> None:
    """Handles one event after another."""
    for event in events:
        split(backends, event)


def assert_tiled(pipeline: Pipeline) -> None:
    """Checks that the chunks of every import cover its data without gaps or overlaps."""
    for found in pipeline.sql("select id, header->'end' as start, data_bytes, chunk_count from import"):
        chunks = pipeline.sql(
            "select number, start_byte, end_byte from chunk where import_id = %s order by number", found["id"]
        )
        assert [chunk["number"] for chunk in chunks] == list(range(found["chunk_count"]))
        ends = [found["start"], *(chunk["end_byte"] for chunk in chunks)]
        assert [chunk["start_byte"] for chunk in chunks] == ends[:-1]
        assert ends[-1] == found["data_bytes"]


def test_a_retry_neither_waits_for_a_chunk_that_is_being_written_nor_deadlocks_with_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", ROWS_PER_CHUNK * LINE_BYTES)
    rows = [(f"S{number}", "name", "") for number in range(2 * ROWS_PER_CHUNK)]
    import_id = pipeline.upload(b"sku,name,description,active\n" + fixed_lines(rows))
    pipeline.split_next()
    poison, other = (to_do(message) for message in pipeline.chunks())
    deadlocks = deadlocks_so_far(pipeline)

    with workers(2) as (worker, caller), ThreadPoolExecutor(1) as pool:
        retried: list[object] = []

        def fail_and_retry(name: str) -> None:
            # The worker has locked its chunk, but not yet the import.
            if name == "chunk.after_rejected" and not retried:
                pool.submit(dead_letters.fail_chunk, pipeline.backends, poison).result(RETRY_SECONDS_MAX)
                retried.append(pool.submit(imports.retry, caller, poison.import_id).result(RETRY_SECONDS_MAX))

        with fault_points.switched_on(fail_and_retry):
            upsert_chunk(worker, other)
    wait_until_counted(pipeline)

    assert deadlocks_so_far(pipeline) == deadlocks
    assert pipeline.finish(import_id)["rows"]["created"] == len(rows)


# --- two imports at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_of_two_imports_at_once_the_later_accepted_one_wins_field_by_field(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 32 * limits.KIB)
    chance = random.Random(seed)
    earlier, later = random_skus(chance), random_skus(chance)
    described = [(sku, f"earlier {n}", f"text {n}") for n, sku in enumerate(earlier)]
    switched = [(sku, f"later {n}", "no" if n % 3 else "") for n, sku in enumerate(later)]
    import_ids = [
        accepted(pipeline, ("sku", "name", "description"), described),
        accepted(pipeline, ("sku", "name", "active"), switched),
    ]
    messages = [to_do(message) for message in pipeline.chunks()]
    chance.shuffle(messages)
    deadlocks = deadlocks_so_far(pipeline)

    with workers(WORKERS) as backends:
        together(*(partial(upsert_each, each, messages[at::WORKERS]) for at, each in enumerate(backends)))
    wait_until_counted(pipeline)

    assert deadlocks_so_far(pipeline) == deadlocks
    assert catalogue(pipeline) == one_after_the_other(described, switched)
    for import_id in import_ids:
        ended = pipeline.show(import_id)
        assert (ended["status"], ended["rows"]["total"]) == ("completed", 6000)
    assert completion_events(pipeline) == sorted(import_ids)


def random_skus(chance: random.Random) -> list[str]:
    """Returns 6,000 of 3,000 SKUs, so that almost all chunks have SKUs in common."""
    return [f"SKU-{chance.randrange(3000)}" for _ in range(6000)]


def accepted(pipeline: Pipeline, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Returns an import that has its place in the acceptance order, with its chunk messages sent."""
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    import_id = pipeline.upload(out.getvalue().encode())
    assert pipeline.split_next()
    return import_id


def upsert_each(backends: Backends, messages: list[ChunkMessage]) -> None:
    for message in messages:
        upsert_chunk(backends, message)


def one_after_the_other(
    described: list[tuple[str, str, str]], switched: list[tuple[str, str, str]]
) -> dict[str, tuple[str, str, bool]]:
    """Applies the file with descriptions, then the file with switches; an empty cell keeps the stored value."""
    written: dict[str, tuple[str, str, bool]] = {}
    for sku, name, description in described:
        written[sku] = (name, description, True)
    for sku, name, active in switched:
        _, description, before = written.get(sku, ("", "", True))
        written[sku] = (name, description, False if active else before)
    return written


def deadlocks_so_far(pipeline: Pipeline) -> int:
    (counted,) = pipeline.sql("select deadlocks from pg_stat_database where datname = current_database()")
    return int(counted["deadlocks"])


def wait_until_counted(pipeline: Pipeline) -> None:
    """Waits until other sessions have exited: only then are their statistics certain to be counted."""
    mine = pipeline.backends.database.connection().info.backend_pid
    others = "select pid from pg_stat_activity where usename = %s and pid <> %s"
    wait_until(lambda: not pipeline.sql(others, TOGETHER, mine), EXITED_SECONDS_MAX, "exit of the workers' sessions")
