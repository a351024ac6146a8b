"""Rows of the database that concern imports, as types."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from chalicelib.csvfile.header import Header
from chalicelib.importing.pace import Pace

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class RowCounts:
    """How many rows of a file, or of a chunk of it, had which outcome."""

    created: int
    updated: int
    unchanged: int
    superseded: int
    rejected: int

    @property
    def total(self) -> int:
        """All rows: each has exactly one outcome."""
        return self.created + self.updated + self.unchanged + self.superseded + self.rejected

    def to_json(self) -> dict[str, int]:
        """The receipt, with its total."""
        return {"total": self.total, **asdict(self)}


@dataclass(frozen=True)
class EndReason:
    """Why an import ended early."""

    code: str
    """Stable, for programs."""
    message: str
    retryable: bool
    """Whether a retry can help."""


@dataclass(frozen=True)
class ImportState:
    """What decides which steps an import may still take."""

    id: uuid.UUID
    status: Status
    attempt: int
    """Counts from 1; each retry adds one."""
    split_done: bool
    """Whether every chunk of the file is known."""
    retryable: bool
    error_code: str | None
    error_message: str | None
    file_gone_at: datetime | None
    """When S3 confirmed that it no longer has the upload; None as long as it has not."""

    @property
    def file_kept(self) -> bool:
        """Whether the upload may still be in S3."""
        return self.file_gone_at is None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in {"pending", "processing"}

    @property
    def end_reason(self) -> EndReason | None:
        """Why it ended early; None while it runs and when it is completed."""
        if self.error_code is None or self.error_message is None:
            return None
        return EndReason(self.error_code, self.error_message, self.retryable)


@dataclass(frozen=True)
class ChunkCounts:
    """How many chunks an import has, and how many of them are done."""

    chunk_count: int
    chunks_done: int
    split_done: bool

    @property
    def all_done(self) -> bool:
        """Whether every chunk of the file is known and done."""
        return self.split_done and self.chunks_done == self.chunk_count


@dataclass(frozen=True)
class ImportFile:
    """Where the file of an import is stored."""

    object_key: str
    """What was uploaded."""
    object_version: str | None
    """None until the upload has been seen in S3."""
    data_key: str | None
    """What is split: the upload, or the copy of it in UTF-8. None until the head of the file has been read."""
    data_version: str | None

    @property
    def data_location(self) -> tuple[str, str | None]:
        """Key and version of what is split, as far as that is known."""
        return self.data_key or self.object_key, self.data_version or self.object_version


@dataclass(frozen=True)
class Import(ImportState, ImportFile):
    """One import, with the sums of its chunks."""

    filename: str
    """As the user knows it."""
    encoding: str | None
    """What was declared at upload."""
    size_bytes: int
    """Of the upload."""
    data_bytes: int | None
    """Of what is split."""
    header: Mapping[str, Any] | None
    """The header as JSON; see `csv_header`."""
    warnings: list[str]
    created_at: datetime
    started_at: datetime | None
    """When the upload was seen in S3."""
    finished_at: datetime | None
    details_kept: bool
    """Whether its chunks, its header and its rejected rows are still stored. Their sums always are."""
    done_bytes: int
    """Bytes of the chunks that are done."""
    rate_step: int
    """The step of time, RATE_WINDOW_SECONDS long and counted from 1970, in which a chunk was done last."""
    rate_bytes: int
    """Bytes of the chunks that were done in that step."""
    rate_bytes_before: int
    """Bytes of the chunks that were done in the step before it."""
    created: int
    updated: int
    unchanged: int
    superseded: int
    rejected: int

    @property
    def csv_header(self) -> Header | None:
        """The header of the file; None until it has been read."""
        return Header.from_json(self.header) if self.header else None

    @property
    def rows(self) -> RowCounts:
        """The outcomes of all rows that are done."""
        return RowCounts(self.created, self.updated, self.unchanged, self.superseded, self.rejected)


@dataclass(frozen=True)
class ChunkToDo:
    """A chunk as its worker finds it: the byte range [start_byte, end_byte), and its import."""

    import_id: uuid.UUID
    number: int
    start_byte: int
    end_byte: int
    first_line: int
    """The physical line at `start_byte`."""
    oversized: bool
    """A single line that is longer than a record may be."""
    regular: bool
    """No record in it can be too long: see `boundaries.Chunk`."""
    done: bool
    status: Status
    """The status of the import."""
    header: Mapping[str, Any]
    data_key: str
    data_version: str
    attempt: int
    """The attempt of the import."""
    sends_from: int | None
    """When it is done: the chunks [sends_from, sends_to) are to be sent after its commit."""
    sends_to: int | None
    piece_bytes: int | None
    """At most this much of the file is written at a time; None: a whole chunk is."""
    write_seconds: float | None
    """How long a whole chunk took to write recently; None if that is not known."""

    @property
    def size_bytes(self) -> int:
        """The bytes of the file that it covers."""
        return self.end_byte - self.start_byte

    @property
    def pace(self) -> Pace:
        """How fast the database was when the work began."""
        return Pace(self.piece_bytes, self.write_seconds)


@dataclass(frozen=True)
class LockedChunk:
    """A chunk whose row is locked."""

    done: bool
    operation: int
    """The import's place in the acceptance order."""
    end_byte: int
    """Less than when the work began if another worker has cut the chunk since."""
