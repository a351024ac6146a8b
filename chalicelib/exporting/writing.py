"""Carries out an export: reads the catalogue page by page and uploads it to S3 part by part.

A step reads enough for one part, uploads it and records how far it got. Text that is too short for a part (S3 requires
5 MiB) is kept in the row of the export. So an export continues wherever an invocation was killed or ran out of time,
and never needs more memory than a part and a page. Two invocations of one export do no harm: each step has its own part
number, and of two steps that started from the same place only the first is recorded.

There is no snapshot: each page shows the products as they are when it is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.catalogue import listing
from chalicelib.errors import UploadGone
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


@dataclass(frozen=True)
class _Step:
    """Where a step starts from."""

    id: uuid.UUID
    """The export's."""
    steps: int
    """How many steps had been recorded."""
    parts_begun: int
    """The number of the part that this step may write."""
    upload_id: str | None
    last_key: str
    """The last key that was read."""
    tail: bytes
    """Text that was read and is not in a part yet."""
    read_done: bool
    filters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The key of the file in S3."""
        return exports.key_of(self.id)

    @property
    def fence(self) -> dict[str, object]:
        """What lets a step be recorded only if no other invocation has recorded one since it began."""
        return {"id": self.id, "steps": self.steps}


@dataclass(frozen=True)
class _Part:
    stored: dict[str, Any]
    """What S3 needs to put the file together."""


def carry_out(backends: Backends, export_id: uuid.UUID, seconds_left: Callable[[], float]) -> None:
    """Takes steps until the file is complete, or hands over to a new message in time. Raises Transient."""
    while _take_step(backends, export_id):
        if seconds_left() < INVOCATION_RESERVE_SECONDS:
            fault_point("export.before_hand_over")
            backends.queues.send("exports", [ExportMessage(export=export_id)])
            return


def _take_step(backends: Backends, export_id: uuid.UUID) -> bool:
    """Takes one step. Returns whether there is more to do for this invocation."""
    with backends.database.transaction() as transaction:
        step = transaction.one("begin_export_step", _Step, id=export_id)
        if step is None:
            return False  # The export has ended.
        if step.parts_begun > EXPORT_STEPS_MAX:
            message = f"The export takes more than {EXPORT_STEPS_MAX:,} steps. Use filters to export fewer products."
            exports.fail(transaction, export_id, "export_too_large", message)
            return False
    try:
        if step.upload_id is None:
            return _open(backends, step)
        if step.read_done:
            return _finish(backends, step, step.upload_id)
        return _write(backends, step, step.upload_id)
    except UploadGone:
        return _reopen(backends, step)


def _open(backends: Backends, step: _Step) -> bool:
    upload_id = backends.files.begin_parts(step.key)
    fault_point("export.after_open")
    with backends.database.transaction() as transaction:
        opened = transaction.run("open_export", upload_id=upload_id, tail=csv_text.header(), **step.fence)
        if opened:
            transaction.run("forget_export_parts", id=step.id)
    return opened == 1


def _write(backends: Backends, step: _Step, upload_id: str) -> bool:
    batch = _read(backends, step)
    is_part = len(batch.data) >= EXPORT_PART_BYTES or (batch.is_last and len(batch.data) > 0)
    number = step.parts_begun
    stored = None
    if is_part:
        stored = backends.files.write_part(step.key, upload_id, number, bytes(batch.data))
    fault_point("export.after_part")
    with backends.database.transaction() as transaction:
        advanced = transaction.run(
            "advance_export",
            last_key=batch.last_key,
            looked_at=batch.looked_at,
            rows=batch.rows,
            bytes=len(batch.data) - len(step.tail),
            tail=b"" if is_part else bytes(batch.data),
            read_done=batch.is_last,
            **step.fence,
        )
        if advanced and stored is not None:
            transaction.run("add_export_part", id=step.id, number=number, stored=Jsonb(stored))
        if advanced:
            transaction.log("export advanced", export_id=step.id, measured={"RowsExported": batch.rows})
        fault_point("export.before_step_commit")
    return advanced == 1


def _finish(backends: Backends, step: _Step, upload_id: str) -> bool:
    with backends.database.transaction() as transaction:
        parts = transaction.all("export_parts", _Part, id=step.id)
    fault_point("export.before_finish")
    file = backends.files.finish_parts(step.key, upload_id, [part.stored for part in parts])
    fault_point("export.after_finish")
    with backends.database.transaction() as transaction:
        if transaction.run("complete_export", version=file.version, bytes=file.size_bytes, **step.fence):
            transaction.log("export completed", export_id=step.id, size_bytes=file.size_bytes)
        fault_point("export.before_complete_commit")
    return False


def _reopen(backends: Backends, step: _Step) -> bool:
    """Handles an upload that is gone: another invocation has completed it, or it was removed and we start again."""
    with backends.database.transaction() as transaction:
        return transaction.run("reopen_export", **step.fence) == 1


@dataclass
class _Batch:
    """What a step has read: CSV text, how many rows it contains, and how many rows were looked at for it."""

    last_key: str
    data: bytearray = field(default_factory=bytearray)
    rows: int = 0
    looked_at: int = 0
    is_last: bool = False

    def add(self, page: Sequence[tuple[Any, ...]]) -> None:
        """Adds a page that is not the last: rows of `export_page`. A page without a match is one row without a SKU.

        The rows are plain tuples, because there may be millions of them: SKU, name, description, active, how many rows
        the page has looked at, the last key of these.
        """
        records = [row[:4] for row in page if row[0] is not None]
        self.data += csv_text.records(records)
        self.rows += len(records)
        *_, looked_at, self.last_key = page[0]
        self.looked_at += looked_at


def _read(backends: Backends, step: _Step) -> _Batch:
    """Reads pages until there is enough for a part, none is left, or the step is long enough: few rows may match."""
    batch = _Batch(step.last_key, bytearray(step.tail))
    for _ in range(EXPORT_STEP_PAGES_MAX):
        with backends.database.transaction() as transaction:
            page = transaction.composed(
                ("export_page", *listing.conditions(step.filters), "export_page_end"),
                tuple,
                after=batch.last_key,
                rows=EXPORT_PAGE_ROWS,
                bytes=EXPORT_PAGE_BYTES,
                **step.filters,
            )
        *_, looked_at, _ = page[0]
        if not looked_at:
            batch.is_last = True
            break
        batch.add(page)
        if len(batch.data) >= EXPORT_PART_BYTES:
            break
    return batch
