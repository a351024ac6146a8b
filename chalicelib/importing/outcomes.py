"""How an import ended, as a code for programs and as one phrase for people: the only source of these words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from chalicelib.importing.records import RowCounts, Status

Outcome = Literal["completed", "completed_with_rejected_rows", "nothing_imported", "failed", "cancelled", "ignored"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
FILE_IGNORED = "file_ignored"
"""The error code of an import whose object is not a product file."""


@dataclass(frozen=True)
class Result:
    """The result of an import that has ended."""

    outcome: Outcome
    summary: str
    """One English phrase, for the history, notices, webhooks and the terminal."""

    @classmethod
    def of(cls, status: Status, error_code: str | None, rows: RowCounts) -> Result | None:
        """Returns the result of an import with these rows; None while it is pending or processing."""
        if status == "completed":
            return _completed(rows)
        if status == "failed":
            return cls("failed", f"Failed {_when_it_ended(rows)}")
        if status == "cancelled":
            if error_code == FILE_IGNORED:
                return cls("ignored", "Ignored: not a product file")
            return cls("cancelled", f"Cancelled {_when_it_ended(rows)}")
        return None


def _completed(rows: RowCounts) -> Result:
    """A row that lost to something newer was accepted: only rejected rows are left out."""
    if rows.total == 0:
        return Result("nothing_imported", "Nothing was imported: the file has no rows")
    if rows.rejected == rows.total:
        every = "the only row was" if rows.total == 1 else f"all {rows.total:,} rows were"
        return Result("nothing_imported", f"Nothing was imported: {every} rejected")
    if rows.rejected:
        return Result("completed_with_rejected_rows", f"Completed with {_counted(rows.rejected, 'rejected row')}")
    return Result("completed", "Completed")


def _when_it_ended(rows: RowCounts) -> str:
    """A row counts as written if it changed a product: not if the product was the same already, or had newer values."""
    written = rows.created + rows.updated
    if not written:
        return "before any row was written"
    return f"after {_counted(written, 'row')} {'was' if written == 1 else 'were'} written"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
