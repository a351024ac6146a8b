"""Carries out an export: reads the catalogue page by page, and writes it into S3 part by part.

A step reads what makes a part, uploads it, and writes down how far it got; what is too short for a part (S3 wants
5 MiB) waits in the row. So an export goes on wherever an invocation ended, killed or out of time, and none needs more
memory than a part and a page. Two invocations at one export do no harm: each step has a part number of its own, and of
two that began from the same place only the first is written down.

There is no snapshot: each page shows the products as they are when it is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.file_store import UploadGone
from chalicelib.catalogue import listing
from chalicelib.exporting import csv_text, exports
from chalicelib.fault_points import fault_point
from chalicelib.limits import (
    EXPORT_PAGE_BYTES,
    EXPORT_PAGE_ROWS,
    EXPORT_PART_BYTES,
    EXPORT_STEP_PAGES_MAX,
    EXPORT_STEPS_MAX,
    INVOCATION_RESERVE_SECONDS,
)
from chalicelib.messages import ExportMessage


def carry_out(backends: Backends, export_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Goes on until the file is complete or time runs out; then a new message goes on. Raises Transient."""
    while _step(backends, export_id):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            fault_point("export.before_hand_over")
            backends.queues.send("exports", [ExportMessage(export=export_id)])
            return


def _step(backends: Backends, export_id: uuid.UUID) -> bool:
    """One step. Returns whether there is more to do for this invocation."""
    with backends.database.transaction() as transaction:
        found = transaction.one("begin_export_step", id=export_id)
    if found is None:
        return False  # It has ended.
    if found["parts_begun"] > EXPORT_STEPS_MAX:
        message = f"The export takes more than {EXPORT_STEPS_MAX:,} steps. Export less at a time with filters."
        exports.fail_because(backends, export_id, "export_too_large", message)
        return False
    try:
        if found["upload_id"] is None:
            return _open(backends, found)
        return _finish(backends, found) if found["read_done"] else _write(backends, found)
    except UploadGone:
        return _reopen(backends, found)


def _open(backends: Backends, found: DictRow) -> bool:
    upload_id = backends.files.begin_parts(exports.key_of(found["id"]))
    fault_point("export.after_open")
    with backends.database.transaction() as transaction:
        opened = transaction.run("open_export", upload_id=upload_id, tail=csv_text.header(), **_fence(found))
        if opened:
            transaction.run("forget_export_parts", id=found["id"])
    return opened == 1


def _write(backends: Backends, found: DictRow) -> bool:
    batch = _read(backends, found)
    is_part = len(batch.data) >= EXPORT_PART_BYTES or (batch.is_last and len(batch.data) > 0)
    number = found["parts_begun"]
    stored = None
    if is_part:
        stored = backends.files.write_part(exports.key_of(found["id"]), found["upload_id"], number, bytes(batch.data))
    fault_point("export.after_part")
    with backends.database.transaction() as transaction:
        advanced = transaction.run(
            "advance_export",
            last_key=batch.last_key,
            looked_at=batch.looked_at,
            rows=batch.rows,
            bytes=len(batch.data) - len(found["tail"]),
            tail=b"" if is_part else bytes(batch.data),
            read_done=batch.is_last,
            **_fence(found),
        )
        if advanced and stored is not None:
            transaction.run("add_export_part", id=found["id"], number=number, stored=Jsonb(stored))
        if advanced:
            transaction.tell("export went on", export_id=found["id"], measured={"RowsExported": batch.rows})
        fault_point("export.before_step_commit")
    return advanced == 1


def _finish(backends: Backends, found: DictRow) -> bool:
    with backends.database.transaction() as transaction:
        parts = [each["stored"] for each in transaction.all("export_parts", id=found["id"])]
    fault_point("export.before_finish")
    stored = backends.files.finish_parts(exports.key_of(found["id"]), found["upload_id"], parts)
    fault_point("export.after_finish")
    with backends.database.transaction() as transaction:
        if transaction.run("complete_export", version=stored.version, bytes=stored.size_bytes, **_fence(found)):
            transaction.tell("export completed", export_id=found["id"], size_bytes=stored.size_bytes)
        fault_point("export.before_complete_commit")
    return False


def _reopen(backends: Backends, found: DictRow) -> bool:
    """The upload is gone: somebody else completed it, then we have lost; or it was removed, then we start again."""
    with backends.database.transaction() as transaction:
        return transaction.run("reopen_export", **_fence(found)) == 1


def _fence(found: DictRow) -> dict[str, object]:
    """A step is written down only if nobody else has written one down since it began."""
    return {"id": found["id"], "steps": found["steps"]}


@dataclass
class _Batch:
    """What a step has read: CSV text, how many rows are in it, and how many were looked at for it."""

    last_key: str
    data: bytearray = field(default_factory=bytearray)
    rows: int = 0
    looked_at: int = 0
    is_last: bool = False

    def add(self, page: list[DictRow]) -> None:
        """The rows of a page that has looked at some; a page of none that is wanted has one row without a SKU."""
        wanted = [row for row in page if row["sku"] is not None]
        self.data += csv_text.records((row["sku"], row["name"], row["description"], row["active"]) for row in wanted)
        self.rows += len(wanted)
        self.looked_at += page[0]["looked_at"]
        self.last_key = page[0]["last_key"]


def _read(backends: Backends, found: DictRow) -> _Batch:
    """Pages until there is enough for a part, none is left, or the step is long enough: few rows may match."""
    batch = _Batch(found["last_key"], bytearray(found["tail"]))
    filters = found["filters"]
    for _ in range(EXPORT_STEP_PAGES_MAX):
        with backends.database.transaction() as transaction:
            page = transaction.composed(
                ("export_page", *listing.conditions(filters), "export_page_end"),
                after=batch.last_key,
                rows=EXPORT_PAGE_ROWS,
                bytes=EXPORT_PAGE_BYTES,
                **filters,
            )
        if not page[0]["looked_at"]:
            batch.is_last = True
            break
        batch.add(page)
        if len(batch.data) >= EXPORT_PART_BYTES:
            break
    return batch
