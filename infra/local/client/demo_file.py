"""Creates product files for demonstrations and measurements: the same arguments give the same bytes on every machine.

The files look like real exports: CRLF between records, bare LF inside quoted descriptions, doubled quotes, no newline
at the end. One row in ten thousand repeats the SKU of the row before it in lower case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from infra.local.processes.private_file import private_opener

HEADER = b"name,sku,description"
RECORDS_PER_WRITE = 5_000
SPANNING_EVERY = 5
"""One description in five spans several lines."""
DUPLICATE_EVERY = 10_000

_ADJECTIVES = ("Small", "Solid", "Quiet", "Bright", "Sturdy", "Plain", "Größere", "Handmade", "Light", "Deep", "Round")
_NOUNS = (
    "Lamp",
    "Chair",
    "Kettle",
    "Desk",
    "Café table",
    "Shelf",
    "Basket",
    "Mirror",
    "Clock",
    "Drawer",
    "Bench",
    "Stool",
)
_SENTENCES = (
    "Made to be used every day and repaired when it breaks.",
    "Fits through every door, comes with all screws and a key.",
    "Wipe with a damp cloth; do not immerse in water.",
    "Oak, oiled locally, from managed forests nearby.",
    "Ships flat in a box of recycled paper, without plastic.",
)


def write(file: Path, rows: int) -> int:
    """Writes a file with this many data rows. Returns how many different SKUs it contains."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        with open(partial, "wb", opener=private_opener) as stream:
            _write_records(stream, rows)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows - sum(1 for row in range(rows) if _is_duplicate(row))


def _write_records(stream: BinaryIO, rows: int) -> None:
    stream.write(HEADER)
    for start in range(0, rows, RECORDS_PER_WRITE):
        batch = "\r\n".join(_records(start, min(start + RECORDS_PER_WRITE, rows)))
        # The separator comes before each batch, so the file does not end with one.
        stream.write(b"\r\n" + batch.encode())


def _records(start: int, end: int) -> Iterator[str]:
    for row in range(start, end):
        adjective, noun = _ADJECTIVES[row % len(_ADJECTIVES)], _NOUNS[row % len(_NOUNS)]
        first = _SENTENCES[row % len(_SENTENCES)]
        second = _SENTENCES[(row // 7) % len(_SENTENCES)]
        if row % SPANNING_EVERY == 0:
            description = f'"{first}\nSize {row % 90 + 10} cm, the ""{adjective}"" series.\n{second}"'
        else:
            description = f'"{first} {second}"' if row % 2 else f"{first} {second}".replace(",", ";")
        yield f"{adjective} {noun} {row % 1000},{_sku(row)},{description}"


def _sku(row: int) -> str:
    if _is_duplicate(row):
        return _sku(row - 1).lower()
    # Scrambled by a multiplication that yields every number once: neighbours in the file are far apart in the index.
    return f"SKU-{row * 7_368_787 % 100_000_007:08d}-{chr(65 + row % 26)}"


def _is_duplicate(row: int) -> bool:
    return row % DUPLICATE_EVERY == DUPLICATE_EVERY - 1
