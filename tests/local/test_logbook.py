"""Log files: complete and bounded, with warnings also on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.local.processes import console_line, logbook
from infra.local.processes.logbook import LogBook


def test_lines_are_written_whole_even_if_they_arrive_in_pieces(tmp_path: Path) -> None:
    echoed: list[str] = []
    book = LogBook(tmp_path, echoed.append)
    with book.pipe("program") as pipe:
        for piece in (b"fir", "st größ".encode()[:-1], "ß".encode()[1:], b"e\r\n[WARNING] second\nthird"):
            pipe.write(piece)
    book.close()
    assert (tmp_path / "program.log").read_text() == "first größe\n[WARNING] second\nthird\n"
    assert echoed == ["program: [WARNING] second"]


FAILED_IMPORT = json.dumps({
    "timestamp": "2026-11-24T09:30:00.000Z", "level": "WARNING", "message": "import failed", "logger": "chalicelib",
    "stage": "local", "function": "split_upload", "import_id": "019abe6e", "code": "column_missing",
    "reason": "The file has no name column.", "ImportsFailed": 1, "_aws": {"CloudWatchMetrics": ["x" * 500]},
})  # fmt: skip
CRASH = json.dumps({"level": "ERROR", "message": "failed", "exception": "Traceback:\n  File …\nValueError: a bug"})


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (FAILED_IMPORT, "program: warning: import failed: The file has no name column."),
        (CRASH, "program: error: failed: ValueError: a bug"),
        ('{"level": "ERROR"}', 'program: {"level": "ERROR"}'),
        ('["level", "ERROR"]', 'program: ["level", "ERROR"]'),
        ("ERROR " + "x" * 1000, "program: ERROR " + "x" * 261 + " … (in logs/program.log)"),
    ],
)
def test_the_terminal_shows_one_short_line_and_the_file_has_all_of_it(tmp_path: Path, line: str, shown: str) -> None:
    echoed: list[str] = []
    book = LogBook(tmp_path, echoed.append)
    with book.pipe("program") as pipe:
        pipe.write(f"{line}\n".encode())
    book.close()
    assert echoed == [shown]
    assert len(shown) <= console_line.CHARACTERS_MAX
    assert (tmp_path / "program.log").read_text() == f"{line}\n"


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "FILE_BYTES_MAX", 1000)
    book = LogBook(tmp_path, lambda _: None)
    with book.pipe("program") as pipe:
        for _ in range(100):
            pipe.write(b"x" * 99 + b"\n")
    book.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 1 + logbook.OLD_FILES_MAX
    assert all(file.stat().st_size <= 1000 for file in files)


def test_the_tail_keeps_the_last_lines(tmp_path: Path) -> None:
    book = LogBook(tmp_path, lambda _: None)
    for number in range(logbook.TAIL_LINES + 5):
        book.note("program", str(number))
    assert book.tail("program").splitlines()[0] == "5"
    assert book.tail("other") == ""
    book.close()


def test_other_users_cannot_read_the_logs_of_an_earlier_version(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    LogBook(logs).close()
    assert logs.stat().st_mode & 0o777 == 0o700
