"""How much work a database gets at a time: the size of a piece, and how much of an import may be in flight.

A database that is slow gets less of both, so that it only slows imports. Pieces become smaller at once, and grow again
by doubling.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.limits import CHUNK_BYTES, CUT_FACTOR, WRITE_SECONDS_QUICK


@dataclass(frozen=True)
class Pace:
    """How fast the database recently wrote an import."""

    piece_bytes: int | None = None
    """At most this much of the file is written at a time; None: a whole chunk is."""
    write_seconds: float | None = None
    """How long a whole chunk takes to write at this pace; None if that is not known."""

    @property
    def is_slow(self) -> bool:
        """Whether the chunks that follow need to know: otherwise, they are written whole and at full width."""
        return self.piece_bytes is not None or (self.write_seconds or 0) > WRITE_SECONDS_QUICK

    def after_write(self, size_bytes: int, seconds: float) -> Pace:
        """Returns the pace after a piece was written in this time. Smaller pieces than usual say nothing about it."""
        if self.piece_bytes is None:
            piece = _in_quick_time(size_bytes, seconds) if seconds > WRITE_SECONDS_QUICK else None
            return Pace(piece, seconds)
        if size_bytes < self.piece_bytes / 2:
            return self
        return Pace(self._next_piece(size_bytes, seconds), seconds * max(CHUNK_BYTES / size_bytes, 1))

    def after_time_out(self, size_bytes: int, seconds: float) -> Pace:
        """Returns the pace after a piece was not written in this time."""
        smaller = max(size_bytes // CUT_FACTOR, 1)
        return Pace(min(smaller, self.piece_bytes or smaller), seconds * max(CHUNK_BYTES / size_bytes, 1))

    def _next_piece(self, size_bytes: int, seconds: float) -> int | None:
        assert self.piece_bytes is not None
        if seconds > WRITE_SECONDS_QUICK:
            return min(self.piece_bytes, _in_quick_time(size_bytes, seconds))
        if seconds > WRITE_SECONDS_QUICK / 2:
            return self.piece_bytes
        return self.piece_bytes * 2 if self.piece_bytes * 2 < CHUNK_BYTES else None


def _in_quick_time(size_bytes: int, seconds: float) -> int:
    """Returns how much would have been written in WRITE_SECONDS_QUICK."""
    return max(int(size_bytes * WRITE_SECONDS_QUICK / seconds), 1)


def window(in_flight_max: int, running_imports: int, write_seconds: float | None) -> int:
    """Returns how many chunks of one import may be sent and not done: at least 1.

    `in_flight_max` is for all running imports together; each has an equal share. `write_seconds` is how long a whole
    chunk of this import takes to write at its present pace; None if that is not known. Beyond WRITE_SECONDS_QUICK the
    share shrinks with its square: twice as slow, a quarter of the chunks. So the load falls faster than the speed, and
    the database recovers.
    """
    share = in_flight_max // max(running_imports, 1)
    if write_seconds is not None and write_seconds > WRITE_SECONDS_QUICK:
        share = int(share * (WRITE_SECONDS_QUICK / write_seconds) ** 2)
    return max(share, 1)
