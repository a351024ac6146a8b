"""One chunk of an import into the catalogue, in one transaction.

Bytes are fetched and parsed before any lock is taken, and COPY fills a temporary table in a transaction of its own: a
worker that freezes while sending rows holds nothing that others need. Locks are then taken in the one order of the
project: barrier, chunk, products by key, import, outbox.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import accumulate

from psycopg.rows import DictRow

from chalicelib import acceptance
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction, UniqueViolation
from chalicelib.backends.file_store import FileGone
from chalicelib.csvfile.header import Header
from chalicelib.csvfile.rows import RejectedRow, oversized_row, read_rows
from chalicelib.fault_points import fault_point
from chalicelib.importing import copy_text, imports
from chalicelib.limits import (
    MERGE_ROWS_MIN,
    OVERSIZED_ROW_BYTES_STORED,
    REJECTED_BYTES_STORED_MAX,
    REJECTED_ROWS_STORED_MAX,
)
from chalicelib.messages import ChunkMessage
from chalicelib.sql import query
from chalicelib.telemetry import DEBUG, Stopwatch, about, tell

_Counts = dict[str, int]
"""How many rows ended in which way: created, updated, unchanged, superseded, rejected."""


@dataclass(frozen=True)
class _Chunk:
    """A chunk's rows: the products as COPY takes them, and those that are none."""

    products: bytes
    rejected: list[RejectedRow]


def upsert_chunk(backends: Backends, message: ChunkMessage) -> None:
    """Writes one chunk's products, rejected rows and counts; the last one completes the import. Raises Transient."""
    with about(import_id=message.import_id, chunk=message.chunk, attempt=message.attempt):
        with backends.database.transaction() as transaction:
            found = transaction.one("chunk_to_do", import_id=message.import_id, number=message.chunk)
        if found is None or found["done"] or found["status"] != "processing":
            tell("chunk had nothing to do", level=DEBUG)
            return
        _upsert(backends, message, found)


def _upsert(backends: Backends, message: ChunkMessage, found: DictRow) -> None:
    clock = Stopwatch()
    try:
        chunk = _read(backends, found, clock)
        fault_point("chunk.after_fetch")
        with clock.stage("ChunkCopyMilliseconds"), backends.database.transaction() as transaction:
            accepted = _copy(transaction, chunk.products)
            if found["header"]["active"] is not None and transaction.one("any_blank_active"):
                transaction.run("inherit_active")
        fault_point("chunk.after_copy")
        with clock.stage("ChunkWriteMilliseconds"):
            counts = _write(backends, found, accepted, chunk.rejected)
        fault_point("chunk.after_commit")
        if counts is not None:
            measured = {f"Rows{name.capitalize()}": count for name, count in counts.items()}
            size = found["end_byte"] - found["start_byte"]
            tell("chunk written", measured={**measured, "ChunkBytes": size, **clock.milliseconds})
    except FileGone:
        with backends.database.transaction() as transaction:
            imports.fail(
                transaction,
                message.import_id,
                "file_gone",
                "The uploaded file was removed before it was read to its end.",
                retryable=False,
            )


def _read(backends: Backends, found: DictRow, clock: Stopwatch) -> _Chunk:
    start, end = found["start_byte"], found["end_byte"]
    if found["oversized"]:
        end = min(end, start + OVERSIZED_ROW_BYTES_STORED)
        head = backends.files.read(found["data_key"], found["data_version"], start, end)
        return _Chunk(b"", [oversized_row(head, found["first_line"])])
    with clock.stage("ChunkReadMilliseconds"):
        data = backends.files.read(found["data_key"], found["data_version"], start, end)
    rejected: list[RejectedRow] = []
    header = Header.from_json(found["header"])
    with clock.stage("ChunkParseMilliseconds"):
        rows = read_rows(data, header, found["first_line"], rejected.append, regular=found["regular"])
        return _Chunk(copy_text.encode(rows, holds_delimiter=copy_text.DELIMITER.encode() in data), rejected)


def _copy(transaction: Transaction, lines: bytes) -> int:
    """Puts a chunk's products into the temporary table, which outlives the transaction. Returns how many."""
    transaction.run("create_incoming")
    if transaction.one("any_incoming"):
        transaction.run("empty_incoming")
    with transaction.cursor.copy(query("copy_incoming")) as copy:
        copy.write(lines)
        fault_point("chunk.inside_copy")
    return transaction.cursor.rowcount


def _write(backends: Backends, found: DictRow, accepted: int, rejected: list[RejectedRow]) -> _Counts | None:
    """The quick way first; the other one when somebody else was adding one of these SKUs at the same time.

    Either continues in the session that has the temporary table: in another one nothing would be there to write.

    Returns None when there was nothing to write, because somebody else had done it or the import had ended.

    Not the quick way where the planner takes the catalogue for small, as after everything was deleted: it would then
    read an index from end to end for every row.
    """
    counts = None  # Stays so when the transaction is rolled back.
    try:
        with backends.database.transaction(continues=True) as transaction:
            seems = transaction.one("seems_small", rows=MERGE_ROWS_MIN)
            if seems is not None and seems["small"]:
                counts = _write_by(transaction, "upsert_incoming", found, accepted, rejected)
            else:
                transaction.run("lock_in_order")
                counts = _write_by(transaction, "merge_incoming", found, accepted, rejected)
    except UniqueViolation:
        with backends.database.transaction(continues=True) as transaction:
            counts = _write_by(transaction, "upsert_incoming", found, accepted, rejected)
    return counts


def _write_by(
    transaction: Transaction, statement: str, found: DictRow, accepted: int, rejected: list[RejectedRow]
) -> _Counts:
    floor = acceptance.enter(transaction)
    locked = transaction.one("lock_chunk", import_id=found["import_id"], number=found["number"])
    if locked is None or locked["done"]:
        raise RollBack
    fault_point("chunk.after_lock")
    outcome = transaction.one(statement, operation=found["operation"], floor=floor)
    assert outcome is not None
    fault_point("chunk.after_upsert")
    _keep_rejected(transaction, found["import_id"], rejected)
    fault_point("chunk.after_rejected")
    written = {name: outcome[name] for name in ("created", "updated", "unchanged")}
    counts = {**written, "superseded": accepted - sum(written.values()), "rejected": len(rejected)}
    transaction.run("finish_chunk", import_id=found["import_id"], number=found["number"], **counts)
    # Here, because a transaction of its own would wait for the disk once more.
    transaction.run("empty_incoming")
    if not imports.complete_if_done(transaction, found["import_id"]):
        raise RollBack  # It was cancelled or failed: it contributes exactly what was committed before.
    fault_point("chunk.before_commit")
    return counts


def _keep_rejected(transaction: Transaction, import_id: uuid.UUID, rejected: list[RejectedRow]) -> None:
    """Stores rejected rows while the import's allowance lasts; their count is exact whatever is stored."""
    if not rejected:
        return
    stored = transaction.one("stored_rejections", import_id=import_id)
    assert stored is not None
    rows_left = max(REJECTED_ROWS_STORED_MAX - stored["rows"], 0)
    bytes_left = REJECTED_BYTES_STORED_MAX - stored["bytes"]
    sizes = accumulate(len(row.raw) for row in rejected)
    kept = [row for row, size in zip(rejected[:rows_left], sizes, strict=False) if size <= bytes_left]
    transaction.many("add_rejected_row", [{"import_id": import_id, **row._asdict()} for row in kept])
