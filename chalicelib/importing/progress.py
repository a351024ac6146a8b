"""How far an import is, in bytes of its file. Not in rows, because their number is unknown until the file is read."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from chalicelib.backends.database import Transaction
from chalicelib.importing.records import Import
from chalicelib.limits import RATE_WINDOW_SECONDS, THROUGHPUT_STEPS_MAX, UNFINISHED_PERCENT_MAX


@dataclass(frozen=True)
class Progress:
    """`percent` has one decimal, never decreases, and is 100 exactly when the import is completed.

    Bytes are those of the uploaded file, even if a copy of it with another size (in UTF-8, unpacked) is read instead.
    """

    percent: float
    total_bytes: int
    done_bytes: int
    bytes_per_second: int | None
    rows_per_second: int | None
    eta_seconds: int | None

    @classmethod
    def of(cls, import_: Import, now: datetime) -> Progress:
        """Returns the progress of an import at the time `now`."""
        total = import_.data_bytes or import_.size_bytes
        header = import_.csv_header
        done = min((header.end if header else 0) + import_.done_bytes, total)
        if import_.status == "completed":
            done = total
        rate = _bytes_per_second(import_, done, now)
        is_processing = import_.status == "processing"
        return cls(
            percent=percent_of(import_.status, done, total),
            total_bytes=import_.size_bytes,
            done_bytes=done * import_.size_bytes // total if total else 0,
            bytes_per_second=round(rate * import_.size_bytes / total) if rate is not None and total else None,
            rows_per_second=round(rate * import_.rows.total / done) if rate is not None and done else None,
            eta_seconds=round((total - done) / rate) if rate and is_processing else None,
        )


@dataclass(frozen=True)
class ThroughputStep:
    """One of the equal time steps from the start of an import to its last finished chunk."""

    seconds: float
    """The length of the step."""
    rows: int
    """The rows whose chunks were finished in it."""


def throughput(transaction: Transaction, import_id: uuid.UUID) -> list[ThroughputStep]:
    """Returns the rows finished over time, in at most THROUGHPUT_STEPS_MAX steps.

    Empty before any chunk is done, and once the chunks are no longer kept.
    """
    return transaction.all("import_throughput", ThroughputStep, import_id=import_id, steps=THROUGHPUT_STEPS_MAX)


def percent_of(status: str, done: int, total: int) -> float:
    """Returns a percentage with one decimal. It is 100 exactly when the status is `completed`."""
    if status == "completed":
        return 100.0
    return min(done * 1000 // total / 10, UNFINISHED_PERCENT_MAX) if total else 0.0


def _bytes_per_second(import_: Import, done: int, now: datetime) -> float | None:
    """Returns the recent rate while the import runs, the mean rate after it has ended, None before anything is done."""
    if import_.started_at is None or not done or not import_.rows.total:
        return None
    elapsed = ((import_.finished_at or now) - import_.started_at).total_seconds()
    if import_.status == "processing" and elapsed > RATE_WINDOW_SECONDS:
        return _recent_bytes(import_, now) / RATE_WINDOW_SECONDS
    return done / elapsed if elapsed > 0 else None


def _recent_bytes(import_: Import, now: datetime) -> float:
    """Returns the bytes done in about the last RATE_WINDOW_SECONDS; those of the step before count in part."""
    step, seconds = divmod(now.timestamp(), RATE_WINDOW_SECONDS)
    share_before = 1 - seconds / RATE_WINDOW_SECONDS
    if step <= import_.rate_step:  # The clocks of the database and of this process may differ a little.
        return import_.rate_bytes + import_.rate_bytes_before * share_before
    return import_.rate_bytes * share_before if step == import_.rate_step + 1 else 0.0
