"""How far an import is, in bytes of its file: records, not lines, are rows, and nobody has counted them beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from chalicelib.limits import RATE_WINDOW_SECONDS, UNFINISHED_PERCENT_MAX


@dataclass(frozen=True)
class Progress:
    """`percent` has one decimal, never goes back, and is 100 exactly when the import is completed."""

    percent: float
    total_bytes: int
    done_bytes: int
    bytes_per_second: int | None
    rows_per_second: int | None
    eta_seconds: int | None

    @classmethod
    def of(cls, found: DictRow, now: datetime) -> Progress:
        """The progress of an import with its sums (`find_import`), at the time `now`."""
        total = found["data_bytes"] or found["size_bytes"]
        header_bytes = found["header"]["end"] if found["header"] else 0
        done = min(header_bytes + found["done_bytes"], total)
        if found["status"] == "completed":
            done = total
        rate = _bytes_per_second(found, done, now)
        rows = sum(found[name] for name in ("created", "updated", "unchanged", "superseded", "rejected"))
        running = found["status"] == "processing"
        return cls(
            percent=percent_of(found["status"], done, total),
            total_bytes=total,
            done_bytes=done,
            bytes_per_second=round(rate) if rate is not None else None,
            rows_per_second=round(rate * rows / done) if rate is not None and done else None,
            eta_seconds=round((total - done) / rate) if rate and running else None,
        )


def percent_of(status: str, done: int, total: int) -> float:
    """One decimal; 100 exactly when the work is completed, however much of it is done."""
    if status == "completed":
        return 100.0
    return min(done * 1000 // total / 10, UNFINISHED_PERCENT_MAX) if total else 0.0


def _bytes_per_second(found: DictRow, done: int, now: datetime) -> float | None:
    """Recent rate while it runs, the mean when it has ended; None before anything is done."""
    if found["started_at"] is None or not found["done_bytes"]:
        return None
    elapsed = ((found["finished_at"] or now) - found["started_at"]).total_seconds()
    if found["status"] == "processing" and elapsed > RATE_WINDOW_SECONDS:
        return float(found["recent_bytes"]) / RATE_WINDOW_SECONDS
    return done / elapsed if elapsed > 0 else None
