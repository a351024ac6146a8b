"""How much of an import may be in flight, so that a database that has become slow gets fewer chunks at a time."""

from __future__ import annotations

from chalicelib.limits import WRITE_SECONDS_QUICK


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
