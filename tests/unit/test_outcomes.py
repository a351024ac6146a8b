"""The result of an import: every status with every kind of counts, as the words a person reads."""

from __future__ import annotations

from typing import get_args

import pytest

from chalicelib.importing.outcomes import FILE_IGNORED, OUTCOMES, Result
from chalicelib.importing.records import RowCounts, Status

SUMMARY_CHARACTERS_MAX = 100
"""An event, with the name of the file, stays far below its limit."""
RUNNING = ("pending", "processing")
ALL_STATUSES = get_args(Status)

# created, updated, unchanged, superseded, rejected
NO_ROWS = (0, 0, 0, 0, 0)
COMPLETED = [
    (NO_ROWS, "nothing_imported", "Nothing was imported: the file has no rows"),
    ((0, 0, 0, 0, 1), "nothing_imported", "Nothing was imported: the only row was rejected"),
    ((0, 0, 0, 0, 2), "nothing_imported", "Nothing was imported: all 2 rows were rejected"),
    ((0, 0, 0, 0, 1_240_000), "nothing_imported", "Nothing was imported: all 1,240,000 rows were rejected"),
    ((1, 0, 0, 0, 1), "completed_with_rejected_rows", "Completed with 1 rejected row"),
    ((0, 1, 0, 0, 1_240), "completed_with_rejected_rows", "Completed with 1,240 rejected rows"),
    ((0, 0, 1, 0, 2), "completed_with_rejected_rows", "Completed with 2 rejected rows"),
    ((0, 0, 0, 1, 2), "completed_with_rejected_rows", "Completed with 2 rejected rows"),
    ((1, 0, 0, 0, 0), "completed", "Completed"),
    ((0, 1, 0, 0, 0), "completed", "Completed"),
    ((0, 0, 1, 0, 0), "completed", "Completed"),
    ((0, 0, 0, 1, 0), "completed", "Completed"),
    ((500_000, 1, 2, 3, 0), "completed", "Completed"),
]
ENDED_EARLY = [
    (NO_ROWS, "before any row was written"),
    ((0, 0, 40_000, 0, 0), "before any row was written"),
    ((0, 0, 0, 7, 30), "before any row was written"),
    ((1, 0, 0, 0, 0), "after 1 row was written"),
    ((0, 1, 9, 9, 9), "after 1 row was written"),
    ((1, 1, 0, 0, 0), "after 2 rows were written"),
    ((111_000, 263, 5, 6, 7), "after 111,263 rows were written"),
]
EVERY_COUNT = [counts for counts, *_ in (*COMPLETED, *ENDED_EARLY)]


@pytest.mark.parametrize("counts", EVERY_COUNT)
@pytest.mark.parametrize("status", RUNNING)
def test_a_running_import_has_no_result(status: Status, counts: tuple[int, ...]) -> None:
    assert Result.of(status, None, RowCounts(*counts)) is None


@pytest.mark.parametrize(("counts", "outcome", "summary"), COMPLETED)
def test_a_completed_import_says_what_was_rejected(counts: tuple[int, ...], outcome: str, summary: str) -> None:
    result = Result.of("completed", None, RowCounts(*counts))
    assert result is not None
    assert (result.outcome, result.summary) == (outcome, summary)


@pytest.mark.parametrize(("counts", "when"), ENDED_EARLY)
@pytest.mark.parametrize(
    ("status", "code", "verb"),
    [
        ("failed", "column_missing", "Failed"),
        ("failed", "chunk_failed", "Failed"),
        ("cancelled", "cancelled_by_user", "Cancelled"),
        ("cancelled", "products_deleted", "Cancelled"),
    ],
)
def test_an_import_that_ended_early_says_what_it_wrote(
    status: Status, code: str, verb: str, counts: tuple[int, ...], when: str
) -> None:
    result = Result.of(status, code, RowCounts(*counts))
    assert result is not None
    assert (result.outcome, result.summary) == (status, f"{verb} {when}")


def test_a_file_that_is_no_catalogue_is_ignored() -> None:
    assert Result.of("cancelled", FILE_IGNORED, RowCounts(*NO_ROWS)) == Result("ignored", "Ignored: not a product file")


def test_the_tables_contain_every_status_and_every_outcome() -> None:
    results = [
        Result.of(status, code, RowCounts(*counts))
        for status in ALL_STATUSES
        for code in (None, FILE_IGNORED)
        for counts in EVERY_COUNT
    ]
    assert set(ALL_STATUSES) == {*RUNNING, "completed", "failed", "cancelled"}
    assert {result.outcome for result in results if result} == set(OUTCOMES)


def test_the_words_are_short_whatever_the_counts() -> None:
    many = 10**12
    results = [Result.of(status, None, RowCounts(many, many, many, many, many)) for status in ALL_STATUSES]
    results.append(Result.of("completed", None, RowCounts(0, 0, 0, 0, many)))
    assert max(len(result.summary) for result in results if result) < SUMMARY_CHARACTERS_MAX
