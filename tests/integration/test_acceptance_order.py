"""The promise: the catalogue is always what the operations give one at a time in acceptance order.

Hypothesis invents histories: imports with and without some columns, edits, renames, deletes, bulk deletes, cancels,
failures and retries; rows that are rejected; chunks in any order, repeated, killed; and two things really at the same
time. After every step the table, and the rejected rows of each import, must equal a sequential model of what has been
committed so far. In half of the histories, people use the HTTP API for everything they do, with conditions and without.
In the other half they use the domain.
"""

from __future__ import annotations

import itertools
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest
from chalice.app import Chalice
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.conninfo import make_conninfo

from chalicelib.access import tokens
from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.catalogue import bulk_deletes, listing, search_index
from chalicelib.catalogue.listing import SORTS, Filters, Place
from chalicelib.catalogue.products import Changes, Content
from chalicelib.fault_points import switched_on
from chalicelib.importing import splitting, upserting
from chalicelib.limits import MERGE_ROWS_MIN, SWEEP_STEP_ROWS_MIN
from chalicelib.messages import ChunkMessage
from chalicelib.repair import dead_letters, retention
from infra.local.testing import Services
from tests.integration.fakes import BUCKET, MemoryFileStore, RecordingQueues, memory_backends
from tests.integration.killing import Killed
from tests.integration.writers import CHANGED, TAKEN, Condition, DomainWriter, HttpWriter, Refused, Writer
from tests.support import indexing
from tests.support.concurrency import meeting_at
from tests.support.owner import Owner
from tests.support.sequential_model import (
    AnyRow,
    BadRow,
    Cleared,
    Deleted,
    FileRow,
    Imported,
    Operation,
    Patched,
    Put,
    Renamed,
    key_of,
    replay,
)

T = TypeVar("T")
HISTORIES = int(os.environ.get("HISTORIES", "500"))
PHASES = tuple(Phase) if os.environ.get("SHRINK", "1") == "1" else (Phase.generate,)
STEPS_MAX = 40
BULK_DELETES_MAX = 2
PICKS = 12
"""A history rarely has more products, imports or chunks to choose from."""
SECONDS_PER_HISTORY_MAX = 1.5
"""A fifth of a second is usual."""
JOIN_SECONDS_MAX = 60
REJECTED_ROWS_STORED_MAX = 1
"""So few that two chunks at once have room for only one."""
BY_SKU = Place(SORTS["sku"], 100)
EMPTY = f"""
    delete from product; delete from import; delete from event; delete from bulk_delete;
    update barrier set floor = 0; {indexing.FORGET}
"""
VISIBLE = """
    select p.id, p.sku, p.name, p.description, p.active from product p, barrier b
    where not p.deleted and p.version >= b.floor order by sku_key
"""
COMMITTED = """
    select i.id, i.operation, i.sum_rejected as rejected,
           array(select first_line from chunk where import_id = i.id and done order by 1) as lines,
           array(select line from rejected_row where import_id = i.id order by line) as stored_lines,
           array(select code from rejected_row where import_id = i.id order by line) as stored_codes,
           array(select raw from rejected_row where import_id = i.id order by line) as stored_raws
    from import i
"""
"""The part of every import that counts: the first lines of its done chunks. Each row is one line after the header. And
how many of these rows were rejected, and which of them are stored."""
UNDONE = """
    select c.import_id, c.number, c.first_line as line from chunk c join import i on i.id = c.import_id
    where i.status = 'processing' and not c.done order by c.import_id, c.number
"""

skus = st.sampled_from(["a", "A", "a\u200b", "b", "B", "é", "E\u0301", "c"])
names = st.sampled_from(["one", "two", "three"])
descriptions = st.sampled_from(["", "x", "y"])
actives = st.sampled_from([True, False])
conditions = st.sampled_from(Condition)
rows = st.builds(FileRow, skus, names, descriptions, st.none() | actives)
bad_rows = st.sampled_from(
    [
        BadRow("sku_missing", b" ,one"),
        BadRow("name_missing", b"a,"),
        BadRow("too_few_fields", b"b"),
        BadRow("too_many_fields", b"c,one,,,,x"),
        BadRow("invalid_utf8", b"A,\xff"),
        BadRow("nul_character", b"B,o\0ne"),
        BadRow("quote_unclosed", b'E,"two'),
    ]
)
contents = st.lists(st.one_of(rows, rows, bad_rows), min_size=1, max_size=5)
chunk_points = st.sampled_from(["chunk.after_copy", "chunk.after_upsert", "chunk.before_commit", "chunk.after_commit"])


@dataclass(frozen=True)
class SearchState:
    """Whether the search index covers every product."""

    ready: bool


@dataclass
class RunningImport:
    """An import that the history has started, and the content of its file."""

    id: uuid.UUID
    rows: list[AnyRow]
    chunks: list[int] = field(default_factory=list)

    def at(self, line: int) -> AnyRow:
        """The row in a line of the file, whose header is the first."""
        return self.rows[line - 2]


class Histories(RuleBasedStateMachine):
    """One history. The test sets the class attributes."""

    databases: list[Database]
    """Of two workers. Their connections last from history to history, like those of functions from event to event."""
    owner: Owner
    app: Chalice
    token: str
    outcomes: dict[str, int]
    served: Backends
    """The backends that the API uses: those of the running history."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryFileStore()
        self.queues = RecordingQueues()
        self.workers = [memory_backends(each, self.files, self.queues) for each in self.databases]
        self.backends = type(self).served = self.workers[0]
        self.writer: Writer = DomainWriter(self.backends, self.files)
        self.imports: list[RunningImport] = []
        self.bulk_deletes: list[uuid.UUID] = []
        self.history: list[tuple[int, Operation]] = []

    @initialize(
        first=contents,
        second=contents,
        described=actives,
        switched=actives,
        by_http=st.booleans(),
        merges=st.booleans(),
    )
    def start_two_imports(
        self, first: list[AnyRow], second: list[AnyRow], described: bool, switched: bool, by_http: bool, merges: bool
    ) -> None:
        vars(upserting)["MERGE_ROWS_MIN"] = -1 if merges else MERGE_ROWS_MIN
        if by_http:
            self.writer = HttpWriter(self.app, self.token, self.files)
        self.sql(EMPTY)
        self.start_import(first, described, switched)
        self.start_import(second, not described, switched)

    # --- imports --------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.imports) < 4)
    @rule(content=contents, described=actives, switched=actives)
    def start_import(self, content: list[AnyRow], described: bool, switched: bool) -> None:
        kept = _in_columns(content, described, switched)
        stored = self.writer.upload(f"uploads/{uuid.uuid4()}.csv", _csv(kept, described, switched))
        splitting.split_upload(self.backends, BUCKET, stored, lambda: 60.0)
        found = self.sql("select id from import where object_key = %s", stored.key)
        sent = [message["chunk"] for message in self.queues.take("chunks")]
        self.imports.append(RunningImport(found[0]["id"], kept, sent))
        self._count("Imported")

    @precondition(lambda self: self.imports)
    @rule(data=st.data())
    def do_chunk(self, data: st.DataObject) -> None:
        self._chunk(data)()

    @precondition(lambda self: self.imports)
    @rule(data=st.data(), point=chunk_points)
    def kill_a_chunk(self, data: st.DataObject, point: str) -> None:
        def die(reached: str) -> None:
            if reached == point:
                raise Killed

        with switched_on(die):
            try:
                self._chunk(data)()
            except Killed:
                self.backends.database.close()
                self._count("killed")

    @precondition(lambda self: self.imports)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.writer.cancel(self._draw_import(data).id)
            self._count("cancelled")

    @precondition(lambda self: self.imports)
    @rule(data=st.data())
    def fail_and_retry(self, data: st.DataObject) -> None:
        chosen = self._draw_import(data)
        undone = self.sql("select number from chunk where import_id = %s and not done order by number", chosen.id)
        number = _pick(data, [row["number"] for row in undone] or chosen.chunks)
        message = ChunkMessage(import_id=chosen.id, chunk=number, attempt=self._attempt(chosen))
        dead_letters.fail_chunk(self.backends, message)
        if data.draw(st.booleans()):
            with suppress(Refused):
                self.writer.retry(chosen.id)
                self._count("retried")

    # --- edits ----------------------------------------------------------------------------------------------------

    @rule(sku=skus, name=names, description=descriptions, active=actives)
    def create(self, sku: str, name: str, description: str, active: bool) -> None:
        self._create(Content(sku, name, description, active))

    @rule(
        data=st.data(),
        sku=st.none() | skus,
        name=st.none() | names,
        description=st.none() | descriptions,
        active=st.none() | actives,
        condition=conditions,
    )
    def edit(
        self,
        data: st.DataObject,
        sku: str | None,
        name: str | None,
        description: str | None,
        active: bool | None,
        condition: Condition,
    ) -> None:
        found = self._draw_product(data)
        if found is not None:
            with self._judged(condition):
                self._edit(found, Changes(sku, name, description, active), condition)

    @rule(data=st.data(), sku=skus, name=names, description=descriptions, active=actives, condition=conditions)
    def replace(
        self, data: st.DataObject, sku: str, name: str, description: str, active: bool, condition: Condition
    ) -> None:
        found = self._draw_product(data)
        if found is not None:
            with self._judged(condition):
                self._edit(found, Changes(sku, name, description, active), condition)
                self._count("replaced")

    @rule(data=st.data(), condition=conditions)
    def delete(self, data: st.DataObject, condition: Condition) -> None:
        found = self._draw_product(data)
        if found is not None:
            with self._judged(condition):
                self._delete(found, condition)

    @precondition(lambda self: len(self.bulk_deletes) < BULK_DELETES_MAX)
    @rule()
    def delete_everything(self) -> None:
        self._delete_everything()

    @precondition(lambda self: self.bulk_deletes)
    @rule(data=st.data())
    def carry_out(self, data: st.DataObject) -> None:
        bulk_deletes.carry_out(self.backends, _pick(data, self.bulk_deletes), lambda: 60.0)

    @rule()
    def sweep(self) -> None:
        retention.remove_tombstones(self.backends, SWEEP_STEP_ROWS_MIN)

    @rule(steps=st.integers(1, 4))
    def copy_for_search(self, steps: int) -> None:
        left = iter([60.0] * steps)
        search_index.index_products(self.backends.database, lambda: next(left, 0.0))
        self.look_at_lists()

    # --- two at a time ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.imports)
    @rule(
        data=st.data(),
        sku=st.none() | skus,
        name=names,
        what=st.sampled_from(["chunk", "edit", "delete", "create", "clear"]),
        condition=st.sampled_from([Condition.NONE, Condition.CURRENT]),
    )
    def together(self, data: st.DataObject, sku: str | None, name: str, what: str, condition: Condition) -> None:
        first = self._chunk(data, self.workers[1])
        second: Callable[[], None]
        found = self._draw_product(data)
        if what == "chunk":
            second = self._chunk(data)
        elif what == "clear":
            if len(self.bulk_deletes) >= BULK_DELETES_MAX:
                return
            second = self._delete_everything
        elif what == "create":
            content = Content(sku or "c", name)
            second = lambda: self._create(content)  # noqa: E731
        elif found is None:
            return
        elif what == "edit":
            changes = Changes(sku=sku, name=name)
            second = _unless_refused(lambda: self._edit(found, changes, condition))
        else:
            second = _unless_refused(lambda: self._delete(found, condition))
        _at_once(first, second)
        self._count(f"chunk with {what}")

    @precondition(lambda self: self.imports)
    @rule()
    def reject_together(self) -> None:
        """Both chunks have stored their rejected rows before the first of them locks the import."""
        found = {each.id: each for each in self.imports}
        bad = [row for row in self.sql(UNDONE) if isinstance(found[row["import_id"]].at(row["line"]), BadRow)]
        for one, other in itertools.pairwise(bad):
            if one["import_id"] == other["import_id"]:
                with switched_on(meeting_at(["chunk.after_rejected"], 2)):
                    _at_once(*map(_upserting, self.workers, (one, other)))
                self._count("rejected together")
                return

    # --- the promise --------------------------------------------------------------------------------------------------

    @invariant()
    def the_table_and_the_rejected_rows_are_what_the_sequence_gives(self) -> None:
        visible = self.sql(VISIBLE)
        real = {key_of(row["sku"]): (row["sku"], row["name"], row["description"], row["active"]) for row in visible}
        found = {each.id: each for each in self.imports}
        committed = self.sql(COMMITTED)
        assert {row["id"] for row in committed} == set(found)
        imported = [Imported(tuple((line, found[row["id"]].at(line)) for line in row["lines"])) for row in committed]
        operations = [row["operation"] for row in committed]
        assert real == replay([*self.history, *zip(operations, imported, strict=True)])
        assert len(real) == len(visible)
        for row, each in zip(committed, imported, strict=True):
            self._check_rejected(row, each)

    def _check_rejected(self, row: dict[str, Any], imported: Imported) -> None:
        stored = list(zip(row["stored_lines"], row["stored_codes"], row["stored_raws"], strict=True))
        assert row["rejected"] == len(imported.rejections)
        assert set(stored) <= set(imported.rejections)
        assert len(stored) == min(row["rejected"], REJECTED_ROWS_STORED_MAX)
        if row["rejected"] > REJECTED_ROWS_STORED_MAX:
            self._count("more rejected than stored")

    @invariant()
    def the_receipts_add_up(self) -> None:
        wrong = self.sql(
            "select id from import where status = 'completed'"
            " and sum_created + sum_updated + sum_unchanged + sum_superseded + sum_rejected <> (split_line - 2)"
        )
        assert wrong == []

    @rule()
    def look_at_lists(self) -> None:
        """Filters use a search index that lags behind. No list may show that."""
        visible = self.sql(VISIBLE)
        with self.backends.database.transaction() as transaction:
            everything = listing.find(transaction, Filters(), BY_SKU)
            found = listing.find(transaction, Filters(name="THREE"), BY_SKU)
            state = transaction.row("search_state", SearchState, texts=["three"], changes_max=100)
        wanted = {row["id"] for row in visible if row["name"] == "three"}
        assert ({row.id for row in found.products}, found.total) == (wanted, len(wanted))
        assert everything.total == len(visible)
        if state.ready:
            self._count("list from the index" if wanted else "empty list from the index")

    # --- steps --------------------------------------------------------------------------------------------------------

    def _chunk(self, data: st.DataObject, worker: Any = None) -> Callable[[], None]:
        chosen = _pick(data, self.imports)
        message = ChunkMessage(import_id=chosen.id, chunk=_pick(data, chosen.chunks), attempt=1)
        return lambda: upserting.upsert_chunk(worker or self.backends, message)

    def _create(self, content: Content) -> None:
        with suppress(Refused):
            self.writer.create(content)
            self._note(Put((content.sku, content.name, content.description, content.active)))

    def _edit(self, found: dict[str, Any], changes: Changes, condition: Condition) -> None:
        seen = self.writer.edit(found["id"], changes, condition)
        if key_of(seen[0]) == key_of(found["sku"]):
            fields = (changes.sku, changes.name, changes.description, changes.active)
            self._note(Patched(key_of(found["sku"]), *fields))
        else:
            self._note(Renamed(key_of(found["sku"]), seen))

    def _delete(self, found: dict[str, Any], condition: Condition) -> None:
        self.writer.delete(found["id"], condition)
        self._note(Deleted(key_of(found["sku"])))

    @contextmanager
    def _judged(self, condition: Condition) -> Iterator[None]:
        """Runs a write without concurrent ones: exactly the outdated condition is refused."""
        code = None
        try:
            yield
        except Refused as refused:
            code = refused.code
        assert code in ({CHANGED} if condition is Condition.OUTDATED else {None, TAKEN})
        self._count(f"condition {condition.value}")

    def _delete_everything(self) -> None:
        self.bulk_deletes.append(self.writer.delete_everything())
        self._note(Cleared())

    def _note(self, operation: Operation) -> None:
        self.history.append((self._last_operation(), operation))
        self._count(type(operation).__name__)

    def _last_operation(self) -> int:
        """Returns the number that was just taken: only one operation at a time takes one here."""
        return int(self.sql("select last_value from operation")[0]["last_value"])

    def _attempt(self, running: RunningImport) -> int:
        return int(self.sql("select attempt from import where id = %s", running.id)[0]["attempt"])

    def _draw_import(self, data: st.DataObject) -> RunningImport:
        """Draws a running import if there is one: little can happen to the others."""
        running = {row["id"] for row in self.sql("select id from import where status = 'processing'")}
        return _pick(data, [each for each in self.imports if each.id in running] or self.imports)

    def _draw_product(self, data: st.DataObject) -> dict[str, Any] | None:
        visible = self.sql(VISIBLE)
        nothing: list[dict[str, Any] | None] = [None]
        return _pick(data, visible or nothing)

    def _count(self, what: str) -> None:
        counted = f"{what} by HTTP" if isinstance(self.writer, HttpWriter) else what
        self.outcomes[counted] = self.outcomes.get(counted, 0) + 1

    def sql(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        return self.owner.sql(statement, *parameters)


def _upserting(worker: Backends, chunk: dict[str, Any]) -> Callable[[], None]:
    message = ChunkMessage(import_id=chunk["import_id"], chunk=chunk["number"], attempt=1)
    return partial(upserting.upsert_chunk, worker, message)


def _in_columns(content: list[AnyRow], described: bool, switched: bool) -> list[AnyRow]:
    """Returns the rows without the columns that the file lacks. Only one may open a quote: a second would close it."""
    kept: list[AnyRow] = []
    for row in content:
        if isinstance(row, FileRow):
            row = FileRow(row.sku, row.name, row.description if described else None, row.active if switched else None)
        elif row.code not in {"too_few_fields", "too_many_fields"}:
            row = BadRow(row.code, row.raw + b"," * (described + switched))
        if row not in kept or not isinstance(row, BadRow) or row.code != "quote_unclosed":
            kept.append(row)
    return kept


def _csv(content: list[AnyRow], described: bool, switched: bool) -> bytes:
    header = ["sku", "name", *(["description"] if described else []), *(["active"] if switched else [])]
    return b"\n".join([",".join(header).encode(), *(_line(row, described, switched) for row in content)]) + b"\n"


def _line(row: AnyRow, described: bool, switched: bool) -> bytes:
    if isinstance(row, BadRow):
        return row.raw
    active = "" if row.active is None else "yes" if row.active else "no"
    cells = [row.sku, row.name, *([row.description or ""] if described else []), *([active] if switched else [])]
    return ",".join(cells).encode()


def _pick(data: st.DataObject, candidates: Sequence[T]) -> T:
    """Picks one candidate. The draw does not depend on how many there are: after two concurrent steps, their number may
    differ when Hypothesis repeats a history, and Hypothesis would then stop."""
    return candidates[data.draw(st.integers(0, PICKS - 1)) % len(candidates)]


def _unless_refused(step: Callable[[], None]) -> Callable[[], None]:
    def done() -> None:
        with suppress(Refused):
            step()

    return done


def _at_once(*steps: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001  # reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_SECONDS_MAX)
    assert not any(thread.is_alive() for thread in threads), "a thread is still waiting for a lock"
    assert failures == []


@contextmanager
def connected(services: Services) -> Iterator[None]:
    """Gives the histories their connections. Only the order of events is tested, so no commit waits for the disk, and
    PostgreSQL starts no parallel workers to scan seven products."""
    options = "-c synchronous_commit=off -c max_parallel_workers_per_gather=0"
    conninfo = make_conninfo(services.together_conninfo, options=options)
    Histories.databases, Histories.owner = [Database(conninfo) for _ in range(2)], Owner(services.owner_conninfo)
    yield
    for each in Histories.databases:
        each.close()
    Histories.owner.close()


@pytest.mark.timeout(60 + HISTORIES * SECONDS_PER_HISTORY_MAX)
def test_every_history_ends_like_its_operations_in_acceptance_order(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 1)
    monkeypatch.setattr("chalicelib.catalogue.bulk_deletes.BULK_DELETE_STEP_ROWS", 2)
    monkeypatch.setattr("chalicelib.catalogue.search_index.INDEX_STEP_ROWS", 2)
    monkeypatch.setattr(
        "chalicelib.importing.upserting.MERGE_ROWS_MIN", MERGE_ROWS_MIN
    )  # monkeypatch restores it at the end.
    monkeypatch.setattr("chalicelib.importing.upserting.REJECTED_ROWS_STORED_MAX", REJECTED_ROWS_STORED_MAX)
    monkeypatch.setattr("chalicelib.repair.retention.TOMBSTONE_SECONDS_MIN", 0)
    monkeypatch.setattr("chalicelib.access.requests.REQUESTS_PER_TOKEN_PER_MINUTE_MAX", 1_000_000)
    from app import app  # reads the environment

    Histories.outcomes = {}
    Histories.app, Histories.token = app, tokens.install(services.owner_conninfo, "histories", ["admin"])
    for module in ("routes", "imports", "products", "bulk_deletes"):
        monkeypatch.setattr(f"functions.api.{module}.backends", lambda: Histories.served)

    with connected(services):
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS_MAX,
                deadline=None,
                database=None,
                phases=PHASES,
                suppress_health_check=list(HealthCheck),
            ),
        )

    print(f"{HISTORIES} histories:", dict(sorted(Histories.outcomes.items())))  # noqa: T201
    done = {
        "killed", "chunk with chunk", "chunk with clear", "rejected together", "more rejected than stored",
        "Imported", "cancelled", "retried", "Put", "Patched",
        "Renamed", "replaced", "Deleted", "Cleared", "list from the index",
        *(f"condition {each.value}" for each in Condition),
    }  # fmt: skip
    assert done | {f"{each} by HTTP" for each in done} <= set(Histories.outcomes)
