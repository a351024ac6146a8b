"""Chunks that the database cannot write in time come back in smaller pieces.

A chunk is cut at record boundaries: its row keeps the first piece, and the others become chunks of their own, with the
next numbers. Versions are by line, so neither the result nor the receipt depends on where a chunk is cut, or on the
order of the pieces. The import remembers the size that worked, so that its other chunks are cut before they are tried.
A chunk of one record cannot be cut: it is tried again, like any work that failed for now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction
from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.header import Header
from chalicelib.errors import TimedOut
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports, splitting
from chalicelib.importing.pace import Pace
from chalicelib.importing.records import ChunkToDo, LockedChunk
from chalicelib.limits import CUT_PIECES_MAX, CUT_SECONDS, WRITE_SECONDS_MAX
from chalicelib.messages import ChunkMessage
from chalicelib.telemetry import WARNING, log

SecondsLeft = Callable[[], float]


@dataclass(frozen=True)
class _Counted:
    """An import to which pieces were added."""

    chunk_count: int


def limit_statements(transaction: Transaction, seconds_left: SecondsLeft) -> None:
    """Ends each statement of the transaction early enough for the worker to react. Raises TimedOut if it is late."""
    seconds = min(WRITE_SECONDS_MAX, seconds_left() - CUT_SECONDS)
    if seconds <= 0:
        raise TimedOut("the time of the worker was over before the chunk was written")
    transaction.run("limit_statements", seconds=float(seconds))


def fitted(backends: Backends, chunk: ChunkToDo) -> ChunkToDo | None:
    """Cuts a chunk that is much larger than what could be written recently. Returns what is left of it to write now.

    Returns None when there is nothing left to do here, because another worker has the chunk or the import has ended.
    """
    fitting: ChunkToDo | None = chunk
    while fitting is not None and fitting.piece_bytes is not None and fitting.size_bytes > 2 * fitting.piece_bytes:
        before = fitting
        fitting = _cut(backends, before, before.pace)
        if fitting == before:
            return before
    return fitting


def give_back(backends: Backends, chunk: ChunkToDo, message: ChunkMessage, error: TimedOut, seconds: float) -> None:
    """Cuts a chunk that could not be written in this time, and sends it again. Raises the error if it is one record."""
    log("chunk not written in time", level=WARNING, measured={"ChunksTimedOut": 1}, reason=str(error))
    smaller = _cut(backends, chunk, chunk.pace.after_time_out(chunk.size_bytes, seconds))
    if smaller == chunk:
        raise error
    fault_point("pieces.after_cut")
    if smaller is not None:
        backends.queues.send("chunks", [message])
        fault_point("pieces.after_send")


def note_pace(transaction: Transaction, chunk: ChunkToDo, pace: Pace) -> None:
    """Remembers how fast a chunk was written, if chunks that follow should know. The import is locked."""
    if pace.is_slow or chunk.pace.is_slow:
        transaction.run("note_pace", id=chunk.import_id, **asdict(pace))


def _cut(backends: Backends, chunk: ChunkToDo, pace: Pace) -> ChunkToDo | None:
    """Commits a chunk's pieces. Returns the first, the chunk itself if it is one record, or None: see `fitted`."""
    assert pace.piece_bytes is not None
    first, *others = _pieces(backends, chunk, pace.piece_bytes)
    if not others:
        return chunk
    left = None  # It stays None when the transaction is rolled back.
    with backends.database.transaction() as transaction:
        locked = transaction.one("lock_chunk", LockedChunk, import_id=chunk.import_id, number=chunk.number)
        if locked is None or locked.done or locked.end_byte != chunk.end_byte:
            raise RollBack
        if imports.lock(transaction, chunk.import_id).status != "processing":
            raise RollBack
        transaction.run(
            "shorten_chunk",
            import_id=chunk.import_id,
            number=chunk.number,
            end=first.end,
            regular=first.regular,
        )
        counted = transaction.row("count_pieces", _Counted, id=chunk.import_id, pieces=len(others))
        splitting.add_chunks(transaction, chunk.import_id, others, counted.chunk_count - len(others))
        if pace != chunk.pace:
            transaction.run("note_pace", id=chunk.import_id, **asdict(pace))
        transaction.log("chunk cut", pieces=1 + len(others), piece_bytes=pace.piece_bytes)
        fault_point("pieces.before_cut_commit")
        left = replace(chunk, end_byte=first.end, regular=first.regular, **asdict(pace))
    return left  # noqa: RET504  # the block may end early


def _pieces(backends: Backends, chunk: ChunkToDo, piece_bytes: int) -> list[Chunk]:
    """Returns the pieces of a chunk: whole records, and few enough for one transaction (see CUT_PIECES_MAX)."""
    if chunk.oversized:
        return [Chunk(chunk.start_byte, chunk.end_byte, chunk.first_line, chunk.first_line, True, False)]
    data = backends.files.read(chunk.data_key, chunk.data_version, chunk.start_byte, chunk.end_byte)
    at_least = -(-chunk.size_bytes // CUT_PIECES_MAX)
    delimiter = Header.from_json(chunk.header).delimiter
    splitter = Splitter(delimiter, chunk.start_byte, chunk.first_line, max(piece_bytes, at_least))
    return [*splitter.feed(data), *splitter.finish()]
