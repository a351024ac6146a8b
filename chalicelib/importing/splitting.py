"""From an uploaded object to chunk messages: accept it, look at its head, cut it at record boundaries, send the pieces.

Everything here may be killed between any two statements and started again, by a redelivered event or the sweep: what is
done is in the import's row (`split_offset` is always a record boundary), and what is unsent is marked so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import FileGone, StoredFile
from chalicelib.backends.queues import SEND_BATCH_MESSAGES_MAX
from chalicelib.csvfile import transcode
from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import Header, read_header
from chalicelib.errors import UnreadableFile
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.limits import (
    CHUNK_BYTES,
    FILE_BYTES_MAX,
    HEADER_BYTES_MAX,
    INVOCATION_RESERVE_SECONDS,
    SCAN_BLOCK_BYTES,
)
from chalicelib.messages import ChunkMessage, UploadMessage
from chalicelib.telemetry import Stopwatch, about, tell

REWRITTEN_PREFIX = "rewritten/"

SecondsLeft = Callable[[], float]


class _Superseded(Exception):
    """Another splitter took over, or the import ended: there is nothing left to do here."""


def split_upload(backends: Backends, bucket: str, stored: StoredFile, seconds_left: SecondsLeft) -> None:
    """An object is in S3: accept it as an import and split it. Raises Transient."""
    with backends.database.transaction() as transaction:
        import_id = imports.accept(transaction, bucket, stored)
        fault_point("accept.before_commit")
    fault_point("accept.after_commit")
    if import_id is not None:
        continue_splitting(backends, import_id, seconds_left)


def continue_splitting(backends: Backends, import_id: uuid.UUID, seconds_left: SecondsLeft) -> None:
    """Splits what is not split yet and sends what is unsent; hands over to a new invocation when time runs out.

    A file that cannot be imported, or is gone, fails its import. Raises Transient.
    """
    with about(import_id=import_id):
        try:
            found = _processing(backends, import_id)
            if found["header"] is None:
                found = _begin(backends, found)
            _send_unsent(backends, found)
            if not found["split_done"]:
                _split(backends, found, seconds_left)
        except _Superseded:
            return
        except UnreadableFile as error:
            _fail(backends, import_id, error.code, error.message)
        except FileGone:
            _fail(backends, import_id, "file_gone", "The uploaded file was removed before it was read to its end.")


def _begin(backends: Backends, found: DictRow) -> DictRow:
    """Reads the file's head: what it is, how it is encoded, its header. Rewrites it in UTF-8 where that is needed."""
    if found["size_bytes"] > FILE_BYTES_MAX:
        raise UnreadableFile(
            f"The file has {found['size_bytes']:,} bytes; at most {FILE_BYTES_MAX:,} are accepted."
            " Cut it into several files.",
            code="file_too_large",
        )
    key, version = found["object_key"], found["object_version"]
    data = backends.files.find(key, version)
    head = backends.files.read(key, version, 0, min(HEADER_BYTES_MAX, data.size_bytes))
    fault_point("split.after_head")
    encoding = transcode.detect(head, found["encoding"])
    if encoding is None or not encoding.gzip:
        refuse_non_csv(head)
    if encoding is not None:
        blocks = backends.files.blocks(key, version, 0, SCAN_BLOCK_BYTES)
        data = backends.files.write(f"{REWRITTEN_PREFIX}{found['id']}.csv", transcode.utf8_blocks(blocks, encoding))
        head = backends.files.read(data.key, data.version, 0, min(HEADER_BYTES_MAX, data.size_bytes))
    fault_point("split.after_rewrite")
    header = read_header(head, is_whole=len(head) == data.size_bytes)
    with backends.database.transaction() as transaction:
        transaction.run(
            "begin_splitting",
            id=found["id"],
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
    return _processing(backends, found["id"])


def _split(backends: Backends, found: DictRow, seconds_left: SecondsLeft) -> None:
    clock = Stopwatch()
    with clock.stage("SplitMilliseconds"):
        from_byte, to_byte = _split_on(backends, found, seconds_left)
    tell("file split", from_byte=from_byte, measured={"SplitBytes": to_byte - from_byte, **clock.milliseconds})


def _split_on(backends: Backends, found: DictRow, seconds_left: SecondsLeft) -> tuple[int, int]:
    """Goes on to the end, or as far as the time lasts. Returns from where to where, in bytes."""
    header = Header.from_json(found["header"])
    start = position = (int(found["split_offset"]), int(found["split_line"]))
    splitter = Splitter(header.delimiter, start=start[0], line=start[1], chunk_bytes=CHUNK_BYTES)
    if start[0] < found["data_bytes"]:
        for block in backends.files.blocks(found["data_key"], found["data_version"], start[0], SCAN_BLOCK_BYTES):
            position = _record(backends, found, position, list(splitter.feed(block)), done=False)
            # Only with something gained: otherwise the next invocation would do the same again.
            if position > start and seconds_left() < INVOCATION_RESERVE_SECONDS:
                fault_point("split.before_hand_over")
                backends.queues.send("uploads", [UploadMessage(continue_import=found["id"])])
                return start[0], position[0]
    position = _record(backends, found, position, list(splitter.finish()), done=True)
    return start[0], position[0]


def _record(
    backends: Backends, found: DictRow, position: tuple[int, int], chunks: list[Chunk], *, done: bool
) -> tuple[int, int]:
    """Commits the chunks with the new position, then sends them. Returns the position: (offset, line)."""
    if not chunks and not done:
        return position
    fault_point("split.before_record")
    offset, line = (chunks[-1].end, chunks[-1].next_line) if chunks else position
    with backends.database.transaction() as transaction:
        advanced = transaction.one(
            "advance_splitting",
            id=found["id"],
            from_offset=position[0],
            to_offset=offset,
            to_line=line,
            chunks=len(chunks),
            done=done,
        )
        if advanced is None:
            raise _Superseded
        _add_chunks(transaction, found["id"], chunks, first_number=advanced["chunk_count"] - len(chunks))
        fault_point("split.after_chunks")
        if done:
            imports.complete_if_done(transaction, found["id"])
            fault_point("split.before_done_commit")
        fault_point("split.before_record_commit")
    fault_point("split.after_record_commit")
    _send_unsent(backends, found)
    return offset, line


def _add_chunks(transaction: Transaction, import_id: uuid.UUID, chunks: list[Chunk], first_number: int) -> None:
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


def _send_unsent(backends: Backends, found: DictRow) -> None:
    """Sends the message of every chunk not sent yet. A kill between sending and marking sends it again: harmless."""
    while True:
        with backends.database.transaction() as transaction:
            unsent = transaction.all("unsent_chunks", import_id=found["id"], limit=SEND_BATCH_MESSAGES_MAX)
        if not unsent:
            return
        numbers = [each["number"] for each in unsent]
        backends.queues.send(
            "chunks",
            [ChunkMessage(import_id=found["id"], chunk=number, attempt=found["attempt"]) for number in numbers],
        )
        fault_point("split.after_send")
        with backends.database.transaction() as transaction:
            transaction.run("mark_chunks_sent", import_id=found["id"], numbers=numbers)


def _processing(backends: Backends, import_id: uuid.UUID) -> DictRow:
    with backends.database.transaction() as transaction:
        found = imports.get(transaction, import_id)
    if found["status"] != "processing":
        raise _Superseded
    return found


def _fail(backends: Backends, import_id: uuid.UUID, code: str, message: str) -> None:
    with backends.database.transaction() as transaction:
        imports.fail(transaction, import_id, code, message, retryable=False)
