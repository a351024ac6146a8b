"""The result of an import in the terminal: counts, speed, warnings, rejected rows. The last line says how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from infra.local.client.http import ImportClient, Report

REJECTED_ROWS_SHOWN = 5


def show(console: Console, client: ImportClient, report: Report, seconds: float) -> None:
    """Prints the receipt of an import that took this long, with the upload."""
    for line in [*_counts(report, seconds), *report.warnings, *_rejected_rows(client, report), report.error]:
        if line:
            _print(console, line)
    _print(console, report.summary or report.status)


def _counts(report: Report, seconds: float) -> Iterator[str]:
    yield ", ".join(f"{name} {count:,}" for name, count in report.rows.items())
    if report.rows.get("total"):
        yield f"total: {report.rows['total'] / seconds:,.0f} rows/s ({seconds:.1f} s with the upload)"
    if report.rows_per_second:
        yield f"processing: {report.rows_per_second:,.0f} rows/s"


def _rejected_rows(client: ImportClient, report: Report) -> Iterator[str]:
    rejected = report.rows.get("rejected", 0)
    if not rejected:
        return
    shown = client.rejected_rows(report, REJECTED_ROWS_SHOWN)
    yield "Rejected rows:"
    for row in shown:
        yield f"  line {row.get('line')}: {row.get('message')}"
    if rejected > len(shown):
        yield f"  … and {rejected - len(shown):,} more: {client.page_of(report.id)}"


def _print(console: Console, line: str) -> None:
    """One line, however narrow the terminal is: a link that is broken into two cannot be opened."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
