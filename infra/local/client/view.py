"""The progress of an import in the terminal: one bar for the upload, one for the import."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from infra.local.client.http import Report

PERCENT_MAX = 100.0


class ImportView:
    """A Watcher that draws. Without a terminal it draws nothing, and only the result is printed."""

    def __init__(self, console: Console, name: str) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
        self._progress = Progress(
            *columns, TimeElapsedColumn(), TextColumn("{task.fields[note]}", markup=False), console=console
        )
        self._upload = self._progress.add_task(f"upload {name}", total=None, note="")
        self._import = self._progress.add_task("import", total=PERCENT_MAX, start=False, note="")

    def __enter__(self) -> ImportView:
        self._progress.start()
        return self

    def __exit__(self, *_: tuple[type[BaseException], BaseException, TracebackType] | None) -> None:
        self._progress.stop()

    def uploading(self, sent_bytes: int, size_bytes: int) -> None:
        """Moves the first bar."""
        self._progress.update(self._upload, completed=sent_bytes, total=size_bytes)

    def importing(self, report: Report) -> None:
        """Moves the second bar."""
        self._progress.start_task(self._import)
        rows = report.rows.get("total", 0)
        note = f"{report.status}, {rows:,} {'row' if rows == 1 else 'rows'}"
        self._progress.update(self._import, completed=report.percent, note=note)
