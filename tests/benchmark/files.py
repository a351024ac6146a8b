"""The files for measurements. The same arguments give the same bytes on every machine."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from infra.local.client import demo_file

COLUMNS_WIDE = 50
CHANGED_EVERY = 100
PART_OF, FEW = 10, 1_000

Record = list[str]


def make(directory: Path, kind: str, rows: int) -> Path:
    """Returns the file of this kind, and creates it if needed. Raises KeyError for an unknown kind."""
    file = directory / f"{kind}-{rows}.csv"
    if not file.exists():
        partial = file.with_suffix(".partial")
        KINDS[kind](partial, directory, rows)
        partial.replace(file)
    return file


def parts(directory: Path, rows: int, count: int) -> list[Path]:
    """Returns files with one in PART_OF of the plain file's products each, in random order and with another name."""
    return [_sample(directory, "part", rows, rows // PART_OF, number) for number in range(count)]


def few(directory: Path, rows: int, count: int) -> list[Path]:
    """Returns files with FEW of the plain file's products each, in random order and with another name."""
    return [_sample(directory, "few", rows, min(FEW, rows), number) for number in range(count)]


def _sample(directory: Path, kind: str, rows: int, size: int, number: int) -> Path:
    """Each number draws other products: what an earlier file has changed is in memory, and close together."""
    file = directory / f"{kind}-{rows}-{number}.csv"
    if not file.exists():
        draw = random.Random(number)
        header, chosen = _chosen(make(directory, "plain", rows), set(draw.sample(range(rows), size)))
        draw.shuffle(chosen)
        partial = file.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as new:
            renamed = ([f"{name} ({number})", *rest] for name, *rest in chosen)
            csv.writer(new, lineterminator="\r\n").writerows([header, *renamed])
        partial.replace(file)
    return file


def _chosen(file: Path, numbers: set[int]) -> tuple[Record, list[Record]]:
    with file.open(newline="", encoding="utf-8") as lines:
        records = csv.reader(lines)
        return next(records), [record for number, record in enumerate(records) if number in numbers]


def _plain(target: Path, _directory: Path, rows: int) -> None:
    """Like real exports: three columns, three of five descriptions quoted, one of five over several lines."""
    demo_file.write(target, rows)


def _changed(target: Path, directory: Path, rows: int) -> None:
    """The plain file with another name in one row of a hundred."""
    _rewrite(target, make(directory, "plain", rows), _renamed, quoting=csv.QUOTE_MINIMAL)


def _quoted(target: Path, directory: Path, rows: int) -> None:
    """Every field quoted, every description over three lines with doubled quotes."""
    _rewrite(target, make(directory, "plain", rows), _spread, quoting=csv.QUOTE_ALL)


def _bare(target: Path, directory: Path, rows: int) -> None:
    """No quotes at all."""
    _rewrite(target, make(directory, "plain", rows), _stripped, quoting=csv.QUOTE_NONE)


def _wide(target: Path, directory: Path, rows: int) -> None:
    """50 columns, of which only SKU and name are used."""
    _rewrite(target, make(directory, "plain", rows), _widened, quoting=csv.QUOTE_MINIMAL)


def _half_rejected(target: Path, directory: Path, rows: int) -> None:
    """The plain file with an empty name in every second row."""
    _rewrite(target, make(directory, "plain", rows), _nameless, quoting=csv.QUOTE_MINIMAL)


KINDS: dict[str, Callable[[Path, Path, int], None]] = {
    "plain": _plain,
    "changed": _changed,
    "quoted": _quoted,
    "bare": _bare,
    "wide": _wide,
    "half_rejected": _half_rejected,
}


def _rewrite(target: Path, source: Path, change: Callable[[int, Record], Record], quoting: Literal[0, 1, 2, 3]) -> None:
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        csv.writer(new, lineterminator="\r\n", quoting=quoting).writerows(_changed_records(old, change))


def _changed_records(lines: Iterator[str], change: Callable[[int, Record], Record]) -> Iterator[Record]:
    for number, record in enumerate(csv.reader(lines)):
        yield change(number, record)


def _renamed(number: int, record: Record) -> Record:
    return [f"{record[0]} (new)", *record[1:]] if number % CHANGED_EVERY == 1 else record


def _nameless(number: int, record: Record) -> Record:
    return ["", *record[1:]] if number % 2 == 1 else record


def _spread(number: int, record: Record) -> Record:
    return record if number == 0 else [*record[:2], f'{record[2]}\nthe "second" line\nand the third']


def _stripped(_number: int, record: Record) -> Record:
    return [cell.replace('"', "").replace(",", ";").replace("\n", " ") for cell in record]


def _widened(number: int, record: Record) -> Record:
    extra = [f"column {at}" if number == 0 else str(number * at) for at in range(COLUMNS_WIDE - 2)]
    # The two columns that are used are far apart, so that the beginning of a line is not enough.
    return [*extra[:10], record[1], *extra[10:30], record[0], *extra[30:]]
