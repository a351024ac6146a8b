"""The window: how many chunks of an import may be in flight, that is, sent and not done.

All running imports share what may be in flight, so a chunk waits only behind a few others, however large the files of
other imports are. Chunks are sent in the order of their numbers, so one count on the import's row says which were sent.
A finished chunk and the splitter raise it, and send these chunks after their commit. If one is killed before that:

- the message of a finished chunk is delivered again, and sends what the chunk has noted (`sends_from`, `sends_to`),
- the message of the splitter is delivered again, and sends what is marked on the import's row (`unsure_from`),
- if these messages are lost as well, the sweep marks all of the import's chunks.

A chunk that is sent twice does no harm: the second worker finds it done.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.importing import pace
from chalicelib.limits import (
    IN_FLIGHT_PER_WORKER,
    REFILL_CHUNKS_MAX,
    SPLIT_AHEAD_CHUNKS_MIN,
    SPLIT_AHEAD_FACTOR,
    WAKE_EVERY_CHUNKS,
)
from chalicelib.messages import ChunkMessage, UploadMessage


@dataclass(frozen=True)
class Sends:
    """The chunks [sends_from, sends_to), which are to be sent after the commit of the change that returned this."""

    sends_from: int
    sends_to: int

    @property
    def numbers(self) -> range:
        """Their numbers."""
        return range(self.sends_from, self.sends_to)


@dataclass(frozen=True)
class _Number:
    number: int


def size(backends: Backends, transaction: Transaction, write_seconds: float | None) -> int:
    """Returns how many chunks of one import may be in flight at this moment: an equal share, at least one.

    It is smaller while a chunk of this import takes long to write: see `pace.window`.
    """
    in_flight_max = _in_flight_max(backends)
    running = transaction.value("count_running_imports", int, limit=in_flight_max)
    return pace.window(in_flight_max, running, write_seconds)


def refill(window: int) -> int:
    """Returns for how many chunks there must be room before a chunk's end sends some. It saves requests."""
    return min(max(window // 2, 1), REFILL_CHUNKS_MAX)


def ahead_max(backends: Backends) -> int:
    """Returns how many chunks the splitter may be ahead of the finished ones before it waits for them."""
    return max(SPLIT_AHEAD_FACTOR * _in_flight_max(backends), SPLIT_AHEAD_CHUNKS_MIN)


def is_wake_up_due(backends: Backends, chunks_left: int) -> bool:
    """Whether the end of a chunk wakes a splitter that waits, when this many chunks are left.

    More than one end does so, in case a wake-up is lost; the last one always does.
    """
    return chunks_left <= ahead_max(backends) // 2 and chunks_left % WAKE_EVERY_CHUNKS == 0


def send(backends: Backends, import_id: uuid.UUID, attempt: int, numbers: Iterable[int], *, again: bool) -> None:
    """Sends the messages of chunks. `again` says that they may have been sent before. Raises Transient."""
    messages = [ChunkMessage(import_id=import_id, chunk=each, attempt=attempt, again=again) for each in numbers]
    backends.queues.send("chunks", messages)


def send_unfinished(backends: Backends, import_id: uuid.UUID, attempt: int, sends: Sends) -> None:
    """Sends those chunks again that are not done. Raises Transient."""
    with backends.database.transaction() as transaction:
        found = transaction.all(
            "unfinished_chunks", _Number, import_id=import_id, first=sends.sends_from, after=sends.sends_to
        )
    send(backends, import_id, attempt, [each.number for each in found], again=True)


def wake_splitter(backends: Backends, import_id: uuid.UUID) -> None:
    """Lets a splitter continue with an import, or find that there is nothing to do. Raises Transient."""
    backends.queues.send("uploads", [UploadMessage(continue_import=import_id)])


def _in_flight_max(backends: Backends) -> int:
    return IN_FLIGHT_PER_WORKER * backends.chunk_concurrency
