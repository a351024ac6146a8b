"""From an uploaded object to chunk messages: accept it, read its head, cut it at record boundaries, send the chunks.

All of this may be killed between any two statements and started again, by a redelivered event or by the sweep. The
import's row records what is done (`split_offset` is always a record boundary), and which chunks are unsent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import StoredFile
from chalicelib.backends.queues import SEND_BATCH_MESSAGES_MAX
from chalicelib.csvfile import transcode
from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import Header, read_header
from chalicelib.errors import FileUnavailable, UnreadableFile
from chalicelib.fault_points import fault_point
from chalicelib.importing import arrivals, imports
from chalicelib.importing.records import Import
from chalicelib.limits import (
    CHUNK_BYTES,
    FILE_BYTES_MAX,
    HEADER_BYTES_MAX,
    INVOCATION_RESERVE_SECONDS,
    SCAN_BLOCK_BYTES,
)
from chalicelib.messages import ChunkMessage, UploadMessage
from chalicelib.telemetry import Stopwatch, log, log_context

REWRITTEN_PREFIX = "rewritten/"

SecondsLeft = Callable[[], float]


class _Superseded(Exception):
    """Another splitter took over, or the import ended: there is nothing left to do here."""


class _Position(NamedTuple):
    """A record boundary in the file: its offset in bytes, and the number of the physical line that starts there."""

    offset: int
    line: int


@dataclass(frozen=True)
class _ImportToSplit:
    """A running import whose header has been read."""

    id: uuid.UUID
    attempt: int
    data_key: str
    """What is split: the upload, or the copy of it in UTF-8."""
    data_version: str
    data_bytes: int
    header: Mapping[str, Any]
    split_offset: int
    """Everything before this offset is in chunks."""
    split_line: int
    split_done: bool


@dataclass(frozen=True)
class _Advanced:
    """An import to which chunks were added."""

    chunk_count: int


@dataclass(frozen=True)
class _UnsentChunk:
    """A chunk whose message has not been sent."""

    number: int


def split_upload(backends: Backends, bucket: str, stored: StoredFile, seconds_left: SecondsLeft) -> None:
    """Accepts an object in S3 as an import and splits it. Raises Transient."""
    import_id = arrivals.accept(backends, bucket, stored)
    if import_id is not None:
        continue_splitting(backends, import_id, seconds_left)


def continue_splitting(backends: Backends, import_id: uuid.UUID, seconds_left: SecondsLeft) -> None:
    """Splits what is not split yet and sends what is unsent; hands over to a new invocation when time runs out.

    An import whose file cannot be read fails. Raises NotFound, Transient.
    """
    with log_context(import_id=import_id):
        try:
            import_ = _to_split(backends, import_id) or _begin(backends, import_id)
            _send_unsent(backends, import_)
            if not import_.split_done:
                _split(backends, import_, seconds_left)
        except _Superseded:
            return
        except UnreadableFile as error:
            with backends.database.transaction() as transaction:
                imports.fail(transaction, import_id, error.code, error.message, retryable=False)
        except FileUnavailable as error:
            with backends.database.transaction() as transaction:
                imports.fail_without_file(transaction, import_id, error)


def _to_split(backends: Backends, import_id: uuid.UUID) -> _ImportToSplit | None:
    """Returns None when the header has not been read yet, and when the import has ended."""
    with backends.database.transaction() as transaction:
        return transaction.one("import_to_split", _ImportToSplit, id=import_id)


def _begin(backends: Backends, import_id: uuid.UUID) -> _ImportToSplit:
    """Reads the head of the file: its type, its encoding, its header. Writes a copy in UTF-8 where that is needed."""
    with backends.database.transaction() as transaction:
        import_ = imports.get(transaction, import_id)
    if import_.status != "processing" or import_.object_version is None:
        raise _Superseded
    _require_size(import_.size_bytes)
    key, version = import_.object_key, import_.object_version
    data = backends.files.find(key, version)
    head = backends.files.read(key, version, 0, min(HEADER_BYTES_MAX, data.size_bytes))
    fault_point("split.after_head")
    encoding = transcode.detect(head, import_.encoding)
    if encoding is None or not encoding.gzip:
        refuse_non_csv(head)
    if encoding is not None:
        blocks = backends.files.blocks(key, version, 0, SCAN_BLOCK_BYTES)
        data = backends.files.write(f"{REWRITTEN_PREFIX}{import_id}.csv", transcode.utf8_blocks(blocks, encoding))
        head = backends.files.read(data.key, data.version, 0, min(HEADER_BYTES_MAX, data.size_bytes))
    fault_point("split.after_rewrite")
    _record_header(backends, import_, data, read_header(head, is_whole=len(head) == data.size_bytes))
    begun = _to_split(backends, import_id)
    if begun is None:
        raise _Superseded
    return begun


def _require_size(size_bytes: int) -> None:
    if size_bytes > FILE_BYTES_MAX:
        raise UnreadableFile(
            f"The file has {size_bytes:,} bytes; at most {FILE_BYTES_MAX:,} are accepted. Split it into several files.",
            code="file_too_large",
        )


def _record_header(backends: Backends, import_: Import, data: StoredFile, header: Header) -> None:
    with backends.database.transaction() as transaction:
        transaction.run(
            "begin_splitting",
            id=import_.id,
            data_key=data.key,
            data_version=data.version,
            data_bytes=data.size_bytes,
            header=Jsonb(header.to_json()),
            warnings=Jsonb(list(header.warnings)),
            split_offset=header.end,
            split_line=header.lines + 1,
        )
        fault_point("split.before_begin_commit")
    fault_point("split.after_begin_commit")


def _split(backends: Backends, import_: _ImportToSplit, seconds_left: SecondsLeft) -> None:
    clock = Stopwatch()
    with clock.stage("SplitMilliseconds"):
        to_byte = _split_on(backends, import_, seconds_left)
    size_bytes = to_byte - import_.split_offset
    log("file split", from_byte=import_.split_offset, measured={"SplitBytes": size_bytes, **clock.milliseconds})


def _split_on(backends: Backends, import_: _ImportToSplit, seconds_left: SecondsLeft) -> int:
    """Continues to the end, or until time runs out. Returns the offset in bytes that it has reached."""
    header = Header.from_json(import_.header)
    start = position = _Position(import_.split_offset, import_.split_line)
    splitter = Splitter(header.delimiter, start=start.offset, line=start.line, chunk_bytes=CHUNK_BYTES)
    if start.offset < import_.data_bytes:
        for block in backends.files.blocks(import_.data_key, import_.data_version, start.offset, SCAN_BLOCK_BYTES):
            position = _record(backends, import_, position, list(splitter.feed(block)), done=False)
            # Only after some progress: otherwise the next invocation would do the same again.
            if position > start and seconds_left() < INVOCATION_RESERVE_SECONDS:
                fault_point("split.before_hand_over")
                backends.queues.send("uploads", [UploadMessage(continue_import=import_.id)])
                return position.offset
    return _record(backends, import_, position, list(splitter.finish()), done=True).offset


def _record(
    backends: Backends, import_: _ImportToSplit, position: _Position, chunks: list[Chunk], *, done: bool
) -> _Position:
    """Commits the chunks with the new position, then sends them. Returns the new position."""
    if not chunks and not done:
        return position
    fault_point("split.before_record")
    reached = _Position(chunks[-1].end, chunks[-1].next_line) if chunks else position
    with backends.database.transaction() as transaction:
        advanced = transaction.one(
            "advance_splitting",
            _Advanced,
            id=import_.id,
            from_offset=position.offset,
            to_offset=reached.offset,
            to_line=reached.line,
            chunks=len(chunks),
            done=done,
        )
        if advanced is None:
            raise _Superseded
        add_chunks(transaction, import_.id, chunks, first_number=advanced.chunk_count - len(chunks))
        fault_point("split.after_chunks")
        if done:
            imports.complete_if_done(transaction, import_.id)
            fault_point("split.before_done_commit")
        fault_point("split.before_record_commit")
    fault_point("split.after_record_commit")
    _send_unsent(backends, import_)
    return reached


def add_chunks(transaction: Transaction, import_id: uuid.UUID, chunks: list[Chunk], first_number: int) -> None:
    """Adds chunks that are not sent yet, numbered from `first_number` on."""
    transaction.many(
        "add_chunk",
        [
            {
                "import_id": import_id,
                "number": number,
                "start": chunk.start,
                "end": chunk.end,
                "first_line": chunk.first_line,
                "oversized": chunk.oversized,
                "regular": chunk.regular,
            }
            for number, chunk in enumerate(chunks, first_number)
        ],
    )


def _send_unsent(backends: Backends, import_: _ImportToSplit) -> None:
    """Sends the message of every unsent chunk. A kill between sending and marking sends it again, which is harmless."""
    while True:
        with backends.database.transaction() as transaction:
            unsent = transaction.all("unsent_chunks", _UnsentChunk, import_id=import_.id, limit=SEND_BATCH_MESSAGES_MAX)
        if not unsent:
            return
        numbers = [chunk.number for chunk in unsent]
        backends.queues.send(
            "chunks",
            [ChunkMessage(import_id=import_.id, chunk=number, attempt=import_.attempt) for number in numbers],
        )
        fault_point("split.after_send")
        with backends.database.transaction() as transaction:
            transaction.run("mark_chunks_sent", import_id=import_.id, numbers=numbers)
