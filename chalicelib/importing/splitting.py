"""From an uploaded object to chunk messages: accept it, read its head, cut it at record boundaries, send the chunks.

All of this may be killed between any two statements and started again, by a redelivered event or by the sweep. The
import's row records what is done (`split_offset` is always a record boundary), and which chunks are unsent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import StoredFile
from chalicelib.csvfile import transcode
from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import Header, read_header
from chalicelib.errors import FileUnavailable, UnreadableFile
from chalicelib.fault_points import fault_point
from chalicelib.importing import arrivals, imports, rewriting, window
from chalicelib.importing.records import ChunkCounts, Import
from chalicelib.importing.rewriting import TakesLong
from chalicelib.importing.window import Sends
from chalicelib.limits import (
    CHUNK_BYTES,
    FILE_BYTES_MAX,
    HEADER_BYTES_MAX,
    INVOCATION_RESERVE_SECONDS,
    SCAN_BLOCK_BYTES,
    SPLIT_SLICE_SECONDS,
)
from chalicelib.messages import RewriteMessage
from chalicelib.telemetry import Stopwatch, log, log_context

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
    chunk_count: int
    chunks_done: int
    chunks_sent: int
    unsure_from: int | None
    """The messages of unfinished chunks from this number on may be lost; None if they are known to be sent."""
    write_seconds: float | None
    """How long a whole chunk took to write recently; None if that is not known."""


@dataclass(frozen=True)
class _Resumed(Sends):
    """What a splitter that begins has to send."""

    split_waits: bool
    """Whether it is far enough ahead: then a chunk's end wakes it later."""


@dataclass(frozen=True)
class _Advanced(ChunkCounts, _Resumed):
    """An import to which chunks were added."""


def split_upload(backends: Backends, bucket: str, stored: StoredFile, seconds_left: SecondsLeft) -> None:
    """Accepts an object in S3 as an import and splits it. Raises Transient."""
    import_id = arrivals.accept(backends, bucket, stored)
    if import_id is not None:
        continue_splitting(backends, import_id, seconds_left)


def continue_splitting(backends: Backends, import_id: uuid.UUID, seconds_left: SecondsLeft) -> None:
    """Sends what may be lost, and splits on until it is far enough ahead of the finished chunks, or its time is over.

    Then a chunk's end, or a message of its own, continues with the import. An import whose file cannot be read fails.
    Raises NotFound, Transient.
    """
    with log_context(import_id=import_id), _ended_if_unreadable(backends, import_id):
        import_ = _to_split(backends, import_id) or _begin(backends, import_id)
        if not (_waits(backends, import_) or import_.split_done):
            _split(backends, import_, seconds_left)


@contextmanager
def _ended_if_unreadable(backends: Backends, import_id: uuid.UUID) -> Iterator[None]:
    """Ends the import if its file turns out to be unreadable inside the block."""
    try:
        yield
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


def rewrite_upload(backends: Backends, import_id: uuid.UUID) -> None:
    """Rewrites a large file in UTF-8 and lets the splitter continue. Does nothing if its header has been read already.

    An import whose file cannot be read fails. Raises NotFound, Transient.
    """
    with log_context(import_id=import_id), _ended_if_unreadable(backends, import_id):
        if _to_split(backends, import_id) is None:
            _read_head(backends, import_id, inline=False)
        fault_point("rewrite.before_wake")
        window.wake_splitter(backends, import_id)


def _begin(backends: Backends, import_id: uuid.UUID) -> _ImportToSplit:
    """Reads the head of the file. Leaves large files that have to be rewritten to `rewrite_upload`."""
    try:
        _read_head(backends, import_id, inline=True)
    except TakesLong:
        backends.queues.send("rewrites", [RewriteMessage(import_id=import_id)])
        raise _Superseded from None
    begun = _to_split(backends, import_id)
    if begun is None:
        raise _Superseded
    return begun


def _read_head(backends: Backends, import_id: uuid.UUID, *, inline: bool) -> None:
    """Records the type of the file, its encoding and its header. Writes a copy in UTF-8 where that is needed."""
    with backends.database.transaction() as transaction:
        import_ = imports.get(transaction, import_id)
    if import_.status != "processing" or import_.object_version is None:
        raise _Superseded
    _require_size(import_.size_bytes)
    data = backends.files.find(import_.object_key, import_.object_version)
    head = _head(backends, data)
    fault_point("split.after_head")
    encoding = transcode.detect(head, import_.encoding)
    if encoding is None or not encoding.gzip:
        refuse_non_csv(head)
    if encoding is not None:
        data = rewriting.rewrite(backends, import_id, data, encoding, inline=inline)
        head = _head(backends, data)
    fault_point("split.after_rewrite")
    _record_header(backends, import_, data, read_header(head, is_whole=len(head) == data.size_bytes))


def _head(backends: Backends, stored: StoredFile) -> bytes:
    return backends.files.read(stored.key, stored.version, 0, min(HEADER_BYTES_MAX, stored.size_bytes))


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


def _waits(backends: Backends, import_: _ImportToSplit) -> bool:
    """Sends what former invocations may not have sent. Returns whether the splitter waits for chunks to be done."""
    ahead = import_.chunk_count - import_.chunks_done
    if import_.unsure_from is None and import_.chunks_sent == import_.chunk_count and not ahead:
        return False
    with backends.database.transaction() as transaction:
        resumed = transaction.one(
            "resume_sending",
            _Resumed,
            id=import_.id,
            window=window.size(backends, transaction, import_.write_seconds),
            ahead=window.ahead_max(backends),
        )
    if resumed is None:
        raise _Superseded
    fault_point("split.after_resume")
    window.send_unfinished(backends, import_.id, import_.attempt, resumed)
    _note_sent(backends, import_, resumed.sends_from)
    return resumed.split_waits


def _note_sent(backends: Backends, import_: _ImportToSplit, sends_from: int) -> None:
    """Until this is noted, the next splitter sends these chunks again."""
    with backends.database.transaction() as transaction:
        transaction.run("note_sent", id=import_.id, sends_from=sends_from)


def _split(backends: Backends, import_: _ImportToSplit, seconds_left: SecondsLeft) -> None:
    clock = Stopwatch()
    with clock.stage("SplitMilliseconds"):
        to_byte = _split_on(backends, import_, seconds_left)
    size_bytes = to_byte - import_.split_offset
    log("file split", from_byte=import_.split_offset, measured={"SplitBytes": size_bytes, **clock.milliseconds})


def _split_on(backends: Backends, import_: _ImportToSplit, seconds_left: SecondsLeft) -> int:
    """Continues until the end, its time is over or it is far enough ahead. Returns the offset that it has reached."""
    header = Header.from_json(import_.header)
    start = position = _Position(import_.split_offset, import_.split_line)
    slice_ends = seconds_left() - SPLIT_SLICE_SECONDS
    splitter = Splitter(header.delimiter, start=start.offset, line=start.line, chunk_bytes=CHUNK_BYTES)
    if start.offset < import_.data_bytes:
        for block in backends.files.blocks(import_.data_key, import_.data_version, start.offset, SCAN_BLOCK_BYTES):
            position, waits = _record(backends, import_, position, list(splitter.feed(block)), done=False)
            # Only after some progress: otherwise the next invocation would do the same again.
            if position > start and (waits or seconds_left() < max(slice_ends, INVOCATION_RESERVE_SECONDS)):
                _pause(backends, import_, waits=waits)
                return position.offset
    position, _ = _record(backends, import_, position, list(splitter.finish()), done=True)
    return position.offset


def _pause(backends: Backends, import_: _ImportToSplit, *, waits: bool) -> None:
    """Lets a later invocation continue: at once, after other files, or when a chunk's end wakes it."""
    _note_sent(backends, import_, import_.chunks_sent)
    fault_point("split.before_hand_over")
    if not waits:
        window.wake_splitter(backends, import_.id)


def _record(
    backends: Backends, import_: _ImportToSplit, position: _Position, chunks: list[Chunk], *, done: bool
) -> tuple[_Position, bool]:
    """Commits the chunks with the new position, then sends those for which there is room in the window.

    Returns the new position, and whether the splitter is far enough ahead.
    """
    if not chunks and not done:
        return position, False
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
            window=window.size(backends, transaction, import_.write_seconds),
            ahead=window.ahead_max(backends),
        )
        if advanced is None:
            raise _Superseded
        add_chunks(transaction, import_.id, chunks, first_number=advanced.chunk_count - len(chunks))
        fault_point("split.after_chunks")
        if advanced.all_done:
            imports.complete(transaction, import_.id)
        if done:
            fault_point("split.before_done_commit")
        fault_point("split.before_record_commit")
    fault_point("split.after_record_commit")
    window.send(backends, import_.id, import_.attempt, advanced.numbers, again=False)
    fault_point("split.after_send")
    return reached, advanced.split_waits


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
