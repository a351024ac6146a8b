"""Writes one chunk of an import into the catalogue, in one transaction.

Its rows are fetched, and COPY fills a temporary table with them, before any lock is taken (chunk_rows.py). So a worker
that freezes while it sends rows holds nothing that others need. Locks are then taken in the one order of the project:
barrier, chunk, products by key, import, outbox.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import inf
from time import monotonic

from chalicelib import acceptance
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction, UniqueViolation
from chalicelib.csvfile.header import Header
from chalicelib.csvfile.rows import RejectedRow
from chalicelib.errors import FileUnavailable, TimedOut
from chalicelib.fault_points import fault_point
from chalicelib.importing import chunk_rows, imports, pieces, window
from chalicelib.importing.pace import Pace
from chalicelib.importing.pieces import SecondsLeft
from chalicelib.importing.records import ChunkCounts, ChunkToDo, LockedChunk, RowCounts
from chalicelib.importing.window import Sends
from chalicelib.limits import (
    MERGE_ROWS_MIN,
    RATE_WINDOW_SECONDS,
    REJECTED_BYTES_STORED_MAX,
    REJECTED_ROWS_STORED_MAX,
)
from chalicelib.messages import ChunkMessage
from chalicelib.telemetry import DEBUG, Stopwatch, log, log_context


@dataclass(frozen=True)
class _Written:
    """How many of a chunk's products were created, updated, or left as they were."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True)
class _Finished(ChunkCounts, Sends):
    """The import after one more of its chunks is done, and what is to be sent after the commit."""

    attempt: int
    split_waits: bool
    """Whether its splitter waits until fewer chunks are left."""


@dataclass(frozen=True)
class _Used:
    """How much of an import's allowance for stored rejected rows is used."""

    rows: int
    bytes: int


def _unhurried() -> float:
    return inf


def upsert_chunk(backends: Backends, message: ChunkMessage, seconds_left: SecondsLeft = _unhurried) -> None:
    """Writes one chunk's products, rejected rows and counts; the last chunk completes the import. Raises Transient.

    If the database is too slow for that, it writes as much as it can in time, or cuts the chunk into smaller pieces.
    """
    with log_context(import_id=message.import_id, chunk=message.chunk, attempt=message.attempt):
        with backends.database.transaction() as transaction:
            chunk = transaction.one("chunk_to_do", ChunkToDo, import_id=message.import_id, number=message.chunk)
        if chunk is None or chunk.done or chunk.status != "processing":
            log("chunk had nothing to do", level=DEBUG)
            if chunk is not None and chunk.status == "processing" and not message.again:
                _send_again(backends, chunk)
            return
        try:
            _upsert_in_time(backends, chunk, message, seconds_left)
        except FileUnavailable as error:
            with backends.database.transaction() as transaction:
                imports.fail_without_file(transaction, message.import_id, error)


def _upsert_in_time(backends: Backends, whole: ChunkToDo, message: ChunkMessage, seconds_left: SecondsLeft) -> None:
    began = monotonic()
    chunk = pieces.fitted(backends, whole)
    if chunk is not None:
        try:
            _upsert(backends, chunk, seconds_left)
        except TimedOut as error:
            pieces.give_back(backends, chunk, message, error, monotonic() - began)


def _upsert(backends: Backends, chunk: ChunkToDo, seconds_left: SecondsLeft) -> None:
    clock = Stopwatch()
    header = Header.from_json(chunk.header)
    content = chunk_rows.read(backends, chunk, header, clock)
    fault_point("chunk.after_fetch")
    with clock.stage("ChunkCopyMilliseconds"):
        content, accepted = chunk_rows.copy(backends, content, header, chunk, seconds_left)
    fault_point("chunk.after_copy")
    with clock.stage("ChunkWriteMilliseconds"):
        written = _write(backends, chunk, accepted, content.rejected, seconds_left)
    fault_point("chunk.after_commit")
    if written is not None:
        counts, finished = written
        measured = {f"Rows{name.capitalize()}": count for name, count in asdict(counts).items()}
        log("chunk written", measured={**measured, "ChunkBytes": chunk.size_bytes, **clock.milliseconds})
        _send_next(backends, chunk, finished)


def _send_next(backends: Backends, chunk: ChunkToDo, finished: _Finished) -> None:
    """Sends the chunks for which this one's end made room, and wakes a splitter that has waited for it."""
    window.send(backends, chunk.import_id, finished.attempt, finished.numbers, again=False)
    fault_point("chunk.after_send")
    if finished.split_waits and window.is_wake_up_due(backends, finished.chunk_count - finished.chunks_done):
        window.wake_splitter(backends, chunk.import_id)


def _send_again(backends: Backends, chunk: ChunkToDo) -> None:
    """The message of a finished chunk has come again: perhaps a worker was killed before it sent what it had to."""
    if chunk.sends_from is not None and chunk.sends_to is not None:
        window.send_unfinished(backends, chunk.import_id, chunk.attempt, Sends(chunk.sends_from, chunk.sends_to))


def _write(
    backends: Backends, chunk: ChunkToDo, accepted: int, rejected: list[RejectedRow], seconds_left: SecondsLeft
) -> tuple[RowCounts, _Finished] | None:
    """Tries MERGE; falls back to INSERT … ON CONFLICT when another writer adds one of these SKUs at the same time.

    Both continue in the session that has the temporary table.

    MERGE is not tried while the planner believes that the catalogue is small, for example after everything was deleted:
    it would then read a whole index for every row.

    Returns None when nothing was written, because the chunk was already done or the import had ended.
    """
    written = None  # It stays None when the transaction is rolled back.
    try:
        with backends.database.transaction(continues=True) as transaction:
            pieces.limit_statements(transaction, seconds_left)
            if transaction.value("seems_small", bool, rows=MERGE_ROWS_MIN):
                written = _write_by(backends, transaction, "upsert_incoming", chunk, accepted, rejected)
            else:
                written = _write_by(backends, transaction, "merge_incoming", chunk, accepted, rejected)
    except UniqueViolation:
        with backends.database.transaction(continues=True) as transaction:
            pieces.limit_statements(transaction, seconds_left)
            written = _write_by(backends, transaction, "upsert_incoming", chunk, accepted, rejected)
    return written


def _write_by(
    backends: Backends,
    transaction: Transaction,
    statement: str,
    chunk: ChunkToDo,
    accepted: int,
    rejected: list[RejectedRow],
) -> tuple[RowCounts, _Finished]:
    floor = acceptance.enter(transaction)
    locked = transaction.one("lock_chunk", LockedChunk, import_id=chunk.import_id, number=chunk.number)
    if locked is None or locked.done or locked.end_byte != chunk.end_byte:
        raise RollBack  # It was written, or cut into smaller pieces, in the meantime.
    fault_point("chunk.after_lock")
    began = monotonic()
    if chunk.header["active"] is not None and transaction.exists("any_blank_active"):
        transaction.run("inherit_active")
    if statement == "merge_incoming":
        transaction.run("lock_in_order")  # Not earlier: other statements join the rows of the chunk with each other.
    written = transaction.row(statement, _Written, operation=locked.operation, floor=floor)
    transaction.changes_products = written.unchanged < accepted
    fault_point("chunk.after_upsert")
    kept = _keep_rejected(transaction, chunk.import_id, rejected)
    fault_point("chunk.after_rejected")
    kept = _without_excess(transaction, chunk.import_id, kept)
    superseded = accepted - written.created - written.updated - written.unchanged
    counts = RowCounts(written.created, written.updated, written.unchanged, superseded, len(rejected))
    pace = chunk.pace.after_write(chunk.size_bytes, monotonic() - began)
    # Here, because a separate transaction would wait for the disk again.
    transaction.run("empty_incoming")
    return counts, _finish(backends, transaction, chunk, counts, kept, pace)


def _finish(
    backends: Backends,
    transaction: Transaction,
    chunk: ChunkToDo,
    counts: RowCounts,
    kept: list[RejectedRow],
    pace: Pace,
) -> _Finished:
    """Counts the chunk as done, and completes its import if it was the last one."""
    room = window.size(backends, transaction, pace.write_seconds)
    finished = transaction.one(
        "finish_chunk",
        _Finished,
        import_id=chunk.import_id,
        number=chunk.number,
        **asdict(counts),
        stored_rows=len(kept),
        stored_bytes=sum(row.stored_bytes for row in kept),
        step_seconds=RATE_WINDOW_SECONDS,
        window=room,
        refill=window.refill(room),
    )
    if finished is None:
        raise RollBack  # The import was cancelled or failed: it keeps exactly what was committed before.
    fault_point("chunk.after_finish")
    pieces.note_pace(transaction, chunk, pace)
    if finished.all_done:
        imports.complete(transaction, chunk.import_id)
    fault_point("chunk.before_commit")
    return finished


def _keep_rejected(transaction: Transaction, import_id: uuid.UUID, rejected: list[RejectedRow]) -> list[RejectedRow]:
    """Stores rejected rows up to the import's allowance; their count is exact however many are stored.

    Returns the rows that it has stored. Chunks that store rows at the same moment may have used the same allowance.
    """
    if not rejected:
        return []
    kept = _fitting(transaction, import_id, rejected)
    columns = {name: [getattr(row, name) for row in kept] for name in RejectedRow._fields}
    transaction.run("add_rejected_rows", import_id=import_id, **columns)
    return kept


def _without_excess(transaction: Transaction, import_id: uuid.UUID, kept: list[RejectedRow]) -> list[RejectedRow]:
    """Removes the rows for which other chunks, committed in the meantime, have left no room. Returns the others.

    It locks the import, as completing it does a moment later, so no other chunk commits any from here on. They are not
    inserted under this lock, because chunks would then wait for one another.
    """
    if not kept:
        return kept
    imports.lock(transaction, import_id)
    fitting = _fitting(transaction, import_id, kept)
    if excess := kept[len(fitting) :]:
        transaction.run("remove_rejected_rows", import_id=import_id, lines=[row.line for row in excess])
    return fitting


def _fitting(transaction: Transaction, import_id: uuid.UUID, rows: list[RejectedRow]) -> list[RejectedRow]:
    """Returns the first of these rows: as many as the chunks that are done have left room for."""
    used = transaction.row("rejected_rows_allowance_used", _Used, import_id=import_id)
    rows_left = max(REJECTED_ROWS_STORED_MAX - used.rows, 0)
    bytes_left = REJECTED_BYTES_STORED_MAX - used.bytes
    sizes = accumulate(row.stored_bytes for row in rows)
    return [row for row, size in zip(rows[:rows_left], sizes, strict=False) if size <= bytes_left]
