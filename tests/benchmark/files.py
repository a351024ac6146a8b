"""The files that are measured. The same arguments give the same bytes, on every machine."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from infra.local.client import demo_file

COLUMNS_WIDE = 50
CHANGED_EVERY = 100

Record = list[str]


def make(directory: Path, kind: str, rows: int) -> Path:
    """The file of that kind, made if it is not there yet. Raises KeyError for an unknown kind."""
    file = directory / f"{kind}-{rows}.csv"
    if not file.exists():
        partial = file.with_suffix(".partial")
        KINDS[kind](partial, directory, rows)
        partial.replace(file)
    return file


def _plain(target: Path, _directory: Path, rows: int) -> None:
    """Like real exports: three columns, three descriptions of five quoted, one of five over several lines."""
    demo_file.write(target, rows)


def _changed(target: Path, directory: Path, rows: int) -> None:
    """The plain file, in which one row of a hundred has another name."""
    _rewrite(target, make(directory, "plain", rows), _renamed, quoting=csv.QUOTE_MINIMAL)


def _quoted(target: Path, directory: Path, rows: int) -> None:
    """Every field quoted, every description over three lines with a doubled quote in it."""
    _rewrite(target, make(directory, "plain", rows), _spread, quoting=csv.QUOTE_ALL)


def _bare(target: Path, directory: Path, rows: int) -> None:
    """Not one quote."""
    _rewrite(target, make(directory, "plain", rows), _stripped, quoting=csv.QUOTE_NONE)


def _wide(target: Path, directory: Path, rows: int) -> None:
    """50 columns, of which only SKU and name matter."""
    _rewrite(target, make(directory, "plain", rows), _widened, quoting=csv.QUOTE_MINIMAL)


KINDS: dict[str, Callable[[Path, Path, int], None]] = {
    "plain": _plain,
    "changed": _changed,
    "quoted": _quoted,
    "bare": _bare,
    "wide": _wide,
}


def _rewrite(target: Path, source: Path, change: Callable[[int, Record], Record], quoting: Literal[0, 1, 2, 3]) -> None:
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        csv.writer(new, lineterminator="\r\n", quoting=quoting).writerows(_changed_records(old, change))


def _changed_records(lines: Iterator[str], change: Callable[[int, Record], Record]) -> Iterator[Record]:
    for number, record in enumerate(csv.reader(lines)):
        yield change(number, record)


def _renamed(number: int, record: Record) -> Record:
    return [f"{record[0]} (new)", *record[1:]] if number % CHANGED_EVERY == 1 else record


def _spread(number: int, record: Record) -> Record:
    return record if number == 0 else [*record[:2], f'{record[2]}\nthe "second" line\nand the third']


def _stripped(_number: int, record: Record) -> Record:
    return [cell.replace('"', "").replace(",", ";").replace("\n", " ") for cell in record]


def _widened(number: int, record: Record) -> Record:
    extra = [f"column {at}" if number == 0 else str(number * at) for at in range(COLUMNS_WIDE - 2)]
    # The two that matter stand apart, so that nothing can be read from the beginning of a line alone.
    return [*extra[:10], record[1], *extra[10:30], record[0], *extra[30:]]
