"""The system is killed at every fault point: the first time, twice in a row, or the second time. It recovers alone.

The file store and the queues are in memory, PostgreSQL is real. A kill is an exception that nothing catches, and the
connection is cut. The message was not finished, so it is delivered again, as SQS does it. When no message is left and
some work is still unfinished, the sweep runs. Nothing else helps.
"""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chalicelib import fault_points
from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.backends.file_store import StoredFile
from chalicelib.catalogue import bulk_deletes, products
from chalicelib.catalogue.listing import Filters
from chalicelib.catalogue.products import Content
from chalicelib.errors import Conflict
from chalicelib.exporting import exports, writing
from chalicelib.importing import imports, splitting, upserting
from chalicelib.messages import ChunkMessage
from chalicelib.repair import dead_letters, sweeping
from chalicelib.webhooks import attempts, deliveries, relay, retry_schedule, webhooks
from chalicelib.webhooks.webhooks import NewWebhook
from functions.composition import sending
from infra.local.testing import Services
from tests.integration.fakes import BUCKET, MemoryFileStore, RecordingQueues, memory_backends
from tests.integration.killing import Killed
from tests.support import indexing
from tests.support.hook_server import Received, Reply, hook_server
from tests.support.slow_database import rows_at_a_time

ROUNDS_MAX = 60
CHUNK_ROWS = 90
SLOW_ROWS = 5
KILLED_ON = {"the first time": {1}, "twice in a row": {1, 2}, "the second time": {2}}
ONCE_ONLY = {
    "split.before_done_commit", "completion.after_status", "completion.after_event", "fail.after_status",
    "split.after_resume", "rewrite.before_wake",
    "retry.after_commit", "dead_letter.before_commit", "bulk_delete.before_accept_commit", "bulk_delete.before_send",
    "bulk_delete.before_wake", "arrival.after_accept", "sweep.before_wake_commit", "sweep.before_wake",
    "accept.before_commit",
    "accept.after_commit", "export.before_accept_commit", "export.before_send", "export.before_wake",
    "export.after_open", "export.before_finish", "export.after_finish", "export.before_complete_commit",
    "split.after_head", "split.after_rewrite", "split.before_begin_commit", "split.after_begin_commit",
    "delivery.before_wake",
}  # fmt: skip
"""Points that one import reaches only once, unless it was killed there."""

LONG = "x" * 60_000
ROWS = [f"S-{number % 50},name {number},{LONG}" for number in range(CHUNK_ROWS)]
CONTENT = "\n".join(["sku,name,description", *ROWS, ",nobody,", "S-0,last,"]).encode("utf-16")
CREATED_PRODUCTS = 7
REFUSED_MESSAGES = 3
INDEXED_PRODUCTS = 60
RECEIPT = {"created": 50, "superseded": CHUNK_ROWS + 1 - 50, "rejected": 1}


class World:
    """A system whose workers are killed at one point, and whose queues lose nothing."""

    def __init__(self, services: Services, point: str, on_hits: set[int]) -> None:
        self.files, self.queues = MemoryFileStore(), RecordingQueues()
        self._conninfo = services.together_conninfo
        self.backends: Backends = memory_backends(self._conninfo, self.files, self.queues)
        self._point, self._on_hits, self.hits = point, on_hits, 0
        self.waiting: list[tuple[str, Mapping[str, Any]]] = []

    def reached(self, name: str) -> None:
        if name == self._point:
            self.hits += 1
            if self.hits in self._on_hits:
                raise Killed

    def survive(self, work: Callable[[Backends], None]) -> bool:
        """Does some work in a worker that may be killed. Returns whether it finished."""
        try:
            work(self.backends)
        except Killed:
            _cut(self.backends.database)
            self.backends = memory_backends(self._conninfo, self.files, self.queues)
            return False
        finally:
            for queue in ("uploads", "rewrites", "chunks", "bulk-deletes", "exports", "events", "deliveries"):
                self.waiting += [(queue, message) for message in self.queues.take(queue)]
        return True

    def pump(self, finished: Callable[[], bool]) -> None:
        """Delivers messages until all work is done. Killed work is delivered again; the sweep repairs the rest."""
        for _ in range(ROUNDS_MAX):
            while self.waiting:
                queue, message = self.waiting.pop(0)
                if not self.survive(lambda backends, q=queue, m=message: _handle(backends, q, m)):  # type: ignore[misc]
                    self.waiting.append((queue, message))
            if finished():
                return
            self.survive(lambda backends: sweeping.sweep(backends, stalled_seconds=0, event_seconds=0))
        raise AssertionError("it did not recover")

    def until_done(self, work: Callable[[Backends], None]) -> None:
        """Repeats work until it finishes, as a person does."""
        while not self.survive(work):
            pass


def _handle(backends: Backends, queue: str, message: Mapping[str, Any]) -> None:
    if "object" in message:
        splitting.split_upload(backends, BUCKET, message["object"], lambda: 0.0)
    elif queue == "uploads":
        splitting.continue_splitting(backends, uuid.UUID(message["continue_import"]), lambda: 0.0)
    elif queue == "rewrites":
        splitting.rewrite_upload(backends, uuid.UUID(message["import_id"]))
    elif queue == "chunks":
        upserting.upsert_chunk(backends, chunk_message(message))
    elif queue == "bulk-deletes":
        bulk_deletes.carry_out(backends, uuid.UUID(message["bulk_delete"]), lambda: 0.0)
    elif queue == "exports":
        writing.carry_out(backends, uuid.UUID(message["export"]), lambda: 0.0)
    elif queue == "events":
        relay.relay(backends, lambda: 0.0)
    elif queue == "deliveries":
        attempts.take_turn(backends, sending(), uuid.UUID(message["webhook"]), lambda: 0.0)
    else:
        dead_letters.fail_chunk(backends, chunk_message(message))


def chunk_message(message: Mapping[str, Any]) -> ChunkMessage:
    return ChunkMessage.model_validate(message)


def _cut(database: Database) -> None:
    """Closes the socket without a message to the server, as when a process is killed."""
    connection = database.connection()
    connection.pgconn.finish()
    database.close()


@pytest.fixture
def sql(services: Services) -> Callable[[str], list[tuple[Any, ...]]]:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(services.owner_conninfo) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    run("truncate product, import, chunk, rejected_row, event, bulk_delete, export, webhook cascade")
    run(indexing.FORGET)
    run("update barrier set floor = 0")
    return run


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.SCAN_BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr("chalicelib.catalogue.bulk_deletes.BULK_DELETE_STEP_ROWS", 20)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_ROWS", 10)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PART_BYTES", 600)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEP_PAGES_MAX", 2)
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 20)
    monkeypatch.setattr("chalicelib.webhooks.relay.RELAY_BATCH_EVENTS", 3)
    # A killed worker loses its claim at once, and retries do not wait.
    monkeypatch.setattr("chalicelib.webhooks.attempts.DELIVERY_LEASE_SECONDS", 0)
    monkeypatch.setattr("chalicelib.webhooks.retry_schedule.DELAYS_SECONDS", (0,) * retry_schedule.ATTEMPTS_MAX)


SQL = Callable[[str], list[tuple[Any, ...]]]


def ended(sql: SQL) -> bool:
    return sql("select count(*) from import where status in ('pending', 'processing')") == [(0,)]


def check_import(sql: SQL) -> None:
    assert sql("select status from import") == [("completed",)]
    sums = sql("select sum_created, sum_superseded, sum_rejected from import")
    assert sums == [tuple(RECEIPT.values())]
    expected = {f"s-{number % 50}": f"name {number}" for number in range(CHUNK_ROWS)} | {"s-0": "last"}
    assert dict(sql("select sku_key, name from product")) == expected
    assert sql("select line, code from rejected_row") == [(CHUNK_ROWS + 2, "sku_missing")]
    assert sql("select count(*) from event where type = 'import.completed'") == [(1,)]
    assert sql("select count(*), count(distinct start_byte) from chunk")[0][0] > 2


def scenario_import(world: World, sql: SQL) -> None:
    """A file in UTF-16 with a bad row; every invocation has time for only one step."""
    world.waiting.append(("uploads", {"object": world.files.put("uploads/a.csv", CONTENT)}))
    world.pump(lambda: ended(sql))


def scenario_lost(world: World, sql: SQL) -> None:
    """No event comes, and the first chunk messages are lost as well: only the sweep keeps the import going."""
    world.files.put("uploads/a.csv", CONTENT)
    while not sql("select 1 from chunk"):
        world.survive(lambda backends: sweeping.sweep(backends, stalled_seconds=0, event_seconds=0))
        for queue, message in [each for each in world.waiting if each[0] in ("uploads", "rewrites")]:
            world.survive(lambda backends, q=queue, m=message: _handle(backends, q, m))  # type: ignore[misc]
    world.waiting.clear()
    world.pump(lambda: ended(sql))


def scenario_poison(world: World, sql: SQL) -> None:
    """One chunk ends up in the dead-letter queue; a person retries the import."""
    stored: StoredFile = world.files.put("uploads/a.csv", CONTENT.decode("utf-16").encode())
    splitting.split_upload(world.backends, BUCKET, stored, lambda: 60.0)
    first, *rest = world.queues.take("chunks")
    world.waiting.append(("chunks-dead", first))
    world.waiting += [("chunks", message) for message in rest]
    world.pump(lambda: ended(sql))
    assert sql("select status, error_code from import") == [("failed", "chunk_failed")]
    import_id = sql("select id from import")[0][0]

    def retry(backends: Backends) -> None:
        try:
            imports.retry(backends, import_id)
        except Conflict:
            assert sql("select status from import") != [("failed",)]

    world.until_done(retry)
    world.pump(lambda: ended(sql))
    assert sql("select count(*) from event where type = 'import.failed'") == [(1,)]


def scenario_slow(world: World, sql: SQL) -> None:
    """The database writes only a few rows at a time: chunks come back in pieces, some of them more than once."""
    with rows_at_a_time(sql, SLOW_ROWS):
        scenario_import(world, sql)
    assert sql("select count(*) from chunk")[0][0] > CHUNK_ROWS / SLOW_ROWS


def scenario_bulk_delete(world: World, sql: SQL) -> None:
    """The first message is lost; all products are deleted in steps; a product written in the meantime stays."""
    stored = world.files.put("uploads/a.csv", CONTENT.decode("utf-16").encode())
    splitting.split_upload(world.backends, BUCKET, stored, lambda: 60.0)
    for message in world.queues.take("chunks"):
        upserting.upsert_chunk(world.backends, chunk_message(message))
    world.until_done(lambda backends: None if sql("select 1 from bulk_delete") else _accept(backends))
    world.waiting.clear()
    sql(
        "insert into product (sku, sku_key, name, description, active, version, name_version, description_version,"
        " active_version, content_version) select 'after', 'after', 'n', '', true, v, v, v, v, v"
        " from (select version_at(nextval('operation'), 0) as v)"
    )
    world.pump(lambda: sql("select 1 from bulk_delete where status in ('pending', 'processing')") == [])


def _accept(backends: Backends) -> None:
    bulk_deletes.accept(backends)


def check_bulk_delete(sql: SQL) -> None:
    assert sql("select status, total, deleted from bulk_delete") == [("completed", 50, 50)]
    assert sql("select sku from product") == [("after",)]
    assert sql("select payload->'deleted' from event where type = 'products.bulk_deleted'") == [(50,)]


def scenario_export(world: World, sql: SQL) -> None:
    """The first message is lost; every invocation has time for one step, which may or may not write a part."""
    sql(
        "insert into product (sku, sku_key, name, description, active, version, name_version, description_version,"
        " active_version, content_version) select 'S-' || n, 's-' || n,"
        " repeat(n::text, case when n < 50 then 1 else 20 end), '',"
        " n % 2 = 0, v, v, v, v, v from generate_series(1, 99) n, (select version_at(nextval('operation'), 0) as v)"
    )
    world.until_done(lambda backends: None if sql("select 1 from export") else _accept_export(backends))
    world.waiting.clear()
    world.pump(lambda: sql("select 1 from export where status in ('pending', 'processing')") == [])
    (export_id, version, size_bytes), *_ = sql("select id, object_version, size_bytes from export")
    content = world.files.read(exports.key_of(export_id), version, 0, 1 << 20)
    expected = sql("select sku, name, description, active::text from product order by sku_key")
    assert list(csv.reader(StringIO(content.decode(), newline="")))[1:] == [list(row) for row in expected]
    assert len(content) == size_bytes


def _accept_export(backends: Backends) -> None:
    exports.accept(backends, Filters(), uuid.uuid4())


def check_export(sql: SQL) -> None:
    assert sql("select status, exported_rows, looked_at, tail from export") == [("completed", 99, 99, b"")]
    assert sql("select count(*) from export_part")[0][0] > 2


def scenario_webhook(world: World, sql: SQL) -> None:
    """Only the sweep wakes the relay; some messages are refused once; a person sends a test in the meantime."""
    accepted: set[str] = set()
    refused: set[str] = set()

    def reply(request: Received) -> Reply:
        if len(refused) < REFUSED_MESSAGES and b"webhook.test" not in request.body and request.id not in refused:
            refused.add(request.id)
            return Reply(status=503)
        accepted.add(request.id)
        return Reply()

    with hook_server(reply) as server:
        made, _ = webhooks.create(world.backends.database, sending(), NewWebhook(server.url(), ["product.created"]))
        for number in range(CREATED_PRODUCTS):
            products.create(world.backends, Content(f"S-{number}", "Hammer"))
        world.until_done(lambda backends: _send_test(backends, made.id))
        world.pump(lambda: sql("select 1 from delivery where status = 'pending'") == [] and _all_relayed(sql))
    assert {str(row[0]) for row in sql("select id from event")} == accepted
    assert len(refused) == REFUSED_MESSAGES


def _send_test(backends: Backends, webhook_id: uuid.UUID) -> None:
    deliveries.send_test(backends, webhook_id)


def _all_relayed(sql: SQL) -> bool:
    return sql("select 1 from event where not relayed") == []


def check_webhook(sql: SQL) -> None:
    statuses = sql("select status::text, count(*) from delivery where not test group by status")
    assert statuses == [("delivered", CREATED_PRODUCTS)]
    assert sql("select 1 from delivery where test and attempts <> 1") == []
    logged = "select count(*) from delivery_attempt where delivery_id = d.id"
    assert sql(f"select 1 from delivery d where attempts <> ({logged})") == []
    positions = sql("select position from event where position is not null order by position")
    assert [row[0] - positions[0][0] for row in positions] == list(range(CREATED_PRODUCTS)), "without gaps"


def scenario_indexing(world: World, sql: SQL) -> None:
    """A walk, then the record of changes: each run continues where the previous one was killed."""
    sql(
        "insert into product (sku, sku_key, name, description, active, version, name_version, description_version,"
        " active_version, content_version) select 'S-' || n, 's-' || n, 'Lamp ' || n, '', true, v, v, v, v, v"
        f" from generate_series(1, {INDEXED_PRODUCTS}) n, (select version_at(nextval('operation'), 0) as v)"
    )
    world.until_done(indexing.fill)
    for number in range(CREATED_PRODUCTS):
        products.create(world.backends, Content(f"T-{number}", "Hammer"))
    sql("update product set name = 'Nail', content_version = content_version + 1 where sku_key = 's-1'")
    sql(
        "with c as (insert into catalogue_change (operation, products) values (1, 1) returning position)"
        " insert into product_change select position, 's-1' from c"
    )
    world.until_done(indexing.fill)


def check_indexing(sql: SQL) -> None:
    assert sql("select after_key, built from product_search_state") == [(None, True)]
    copied = sql("select sku_key, name, content_version from product_search order by sku_key")
    assert copied == sql("select sku_key, lower(name), content_version from product order by sku_key")


def scenario_of(point: str) -> tuple[Callable[[World, SQL], None], Callable[[SQL], None]]:
    stage = point.partition(".")[0]
    if stage in {"sweep", "arrival"}:
        return scenario_lost, check_import
    if stage == "pieces":
        return scenario_slow, check_import
    if stage in {"fail", "retry", "dead_letter"}:
        return scenario_poison, check_import
    if stage == "bulk_delete":
        return scenario_bulk_delete, check_bulk_delete
    if stage == "export":
        return scenario_export, check_export
    if stage in {"relay", "delivery"}:
        return scenario_webhook, check_webhook
    if stage == "indexing":
        return scenario_indexing, check_indexing
    return scenario_import, check_import


DONE_BY_THEN = {
    "split.after_begin_commit", "retry.after_commit", "arrival.after_accept", "bulk_delete.before_send",
    "export.before_send",
}  # fmt: skip
"""Points after a commit: a second attempt finds the work done and does not reach the point again."""

CASES = [
    pytest.param(point, on_hits, id=f"{point} {when}")
    for point in fault_points.POINTS
    for when, on_hits in KILLED_ON.items()
    if (when != "the second time" or point not in ONCE_ONLY) and (when == "the first time" or point not in DONE_BY_THEN)
]


@pytest.mark.parametrize(("point", "on_hits"), CASES)
def test_the_system_recovers_when_it_is_killed_at_a_point(
    services: Services, sql: SQL, point: str, on_hits: set[int]
) -> None:
    world = World(services, point, on_hits)
    scenario, check = scenario_of(point)

    with fault_points.switched_on(world.reached):
        scenario(world, sql)

    world.backends.database.close()
    assert world.hits >= max(on_hits), "the point was not reached"
    check(sql)


def test_every_point_in_the_code_is_listed() -> None:
    named = re.compile(r'fault_point\("([a-z_.]+)"\)')
    sources = Path(fault_points.__file__).parent.rglob("*.py")
    found = {point for source in sources for point in named.findall(source.read_text("utf-8"))}
    assert found == set(fault_points.POINTS)
