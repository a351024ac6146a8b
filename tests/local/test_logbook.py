"""Log files: complete, bounded, and what matters on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.processes import logbook
from infra.local.processes.logbook import LogBook


def test_lines_arrive_whole_whatever_the_pieces(tmp_path: Path) -> None:
    echoed: list[str] = []
    book = LogBook(tmp_path, echoed.append)
    with book.pipe("program") as pipe:
        for piece in (b"fir", "st größ".encode()[:-1], "ß".encode()[1:], b"e\r\n[WARNING] second\nthird"):
            pipe.write(piece)
    book.close()
    assert (tmp_path / "program.log").read_text() == "first größe\n[WARNING] second\nthird\n"
    assert echoed == ["program: [WARNING] second"]


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


def test_tail_keeps_the_last_words(tmp_path: Path) -> None:
    book = LogBook(tmp_path, lambda _: None)
    for number in range(logbook.TAIL_LINES + 5):
        book.note("program", str(number))
    assert book.tail("program").splitlines()[0] == "5"
    assert book.tail("other") == ""
    book.close()
