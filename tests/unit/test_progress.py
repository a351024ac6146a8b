"""How far an import is: percentages, and bytes of the file that the user uploaded."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.importing.progress import Progress
from chalicelib.importing.records import Import, Status
from chalicelib.limits import RATE_WINDOW_SECONDS

STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def import_of(size_bytes: int, data_bytes: int | None, done_bytes: int, status: Status = "processing") -> Import:
    """An import whose chunks had this many bytes of its data done after one second."""
    more: dict[str, Any] = {"data_key": None, "data_version": None, "header": None, "encoding": None}
    return Import(
        id=uuid.uuid4(),
        status=status,
        attempt=1,
        split_done=False,
        retryable=False,
        error_code=None,
        error_message=None,
        file_gone_at=None,
        details_kept=True,
        object_key="uploads/1",
        object_version="1",
        filename="products.csv",
        size_bytes=size_bytes,
        data_bytes=data_bytes,
        warnings=[],
        created_at=STARTED,
        started_at=STARTED,
        finished_at=STARTED + timedelta(seconds=1) if status == "completed" else None,
        done_bytes=done_bytes,
        rate_step=int(STARTED.timestamp()) // RATE_WINDOW_SECONDS,
        rate_bytes=done_bytes,
        rate_bytes_before=0,
        created=10,
        updated=0,
        unchanged=0,
        superseded=0,
        rejected=0,
        **more,
    )


def progress_of(import_: Import) -> Progress:
    """Its progress one second after its start."""
    return Progress.of(import_, STARTED + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("size", "data", "done", "shown"),
    [
        (1000, None, 0, 0),
        (1000, 1000, 250, 250),
        (1000, 1100, 550, 500),  # Some letters need more bytes in UTF-8.
        (1000, 20_000, 5000, 250),  # Compressed.
        (2000, 1000, 500, 1000),  # UTF-16.
    ],
)
def test_bytes_are_those_of_the_uploaded_file(size: int, data: int | None, done: int, shown: int) -> None:
    found = progress_of(import_of(size, data, done))
    assert (found.total_bytes, found.done_bytes) == (size, shown)
    assert found.percent == 100 * shown / size
    assert found.bytes_per_second == (shown or None)
    assert found.rows_per_second == (10 if done else None)


def test_a_completed_import_has_processed_the_uploaded_file_completely() -> None:
    found = progress_of(import_of(1000, 1100, 1100, "completed"))
    assert (found.total_bytes, found.done_bytes, found.percent) == (1000, 1000, 100.0)


def test_an_empty_file_has_no_progress() -> None:
    found = progress_of(import_of(0, None, 0))
    assert (found.total_bytes, found.done_bytes, found.percent, found.bytes_per_second) == (0, 0, 0.0, None)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, 1000),
        (9, 1000 - 900 * 0.9),
        (10, 100),
        (15, 50),
        (20, 0),
        (3600, 0),
    ],
)
def test_the_recent_rate_forgets_what_was_done_more_than_a_step_ago(seconds: int, expected: float) -> None:
    """900 bytes were done in the step before the current one, and 100 at its beginning."""
    started = datetime.fromtimestamp(1000 * RATE_WINDOW_SECONDS, UTC)
    import_ = replace(
        import_of(100_000, 100_000, 1000),
        started_at=started - timedelta(seconds=RATE_WINDOW_SECONDS + 1),
        rate_step=1000,
        rate_bytes=100,
        rate_bytes_before=900,
    )

    found = Progress.of(import_, started + timedelta(seconds=seconds))

    assert found.bytes_per_second == round(expected / RATE_WINDOW_SECONDS)
