"""What csv.reader sees in a file, written as simply as possible: the reference for the splitter and the row rules.

It shares no code with them. It is slow on purpose: csv.reader restarts at every record, and reads to the end of the
file for every forgotten quote.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.csvfile.header import Header
from chalicelib.limits import (
    DESCRIPTION_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    OVERSIZED_ROW_BYTES_STORED,
    SKU_CHARACTERS_MAX,
)

YES = ("true", "yes", "y", "1", "t", "on", "active")
NO = ("false", "no", "n", "0", "f", "off", "inactive")
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"

Bounds = tuple[int, int, bool]
"""The start and end of a chunk, and whether it is a line longer than a record may be."""

Product = tuple[int, str, str, str | None, bool | None]
"""Line, SKU, name, description, active."""

Rejection = tuple[int, str, bytes]
"""Line, code, and the bytes of the row without the line end."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its first physical line, its bytes with the line end, its cells.

    There are no cells if a quote is forgotten or the line is `oversized`.
    """

    line: int
    raw: bytes
    cells: list[str] | None
    oversized: bool


def physical_lines(data: bytes) -> list[str]:
    """Returns what a file opened with newline="" yields. Bytes that are not UTF-8 become surrogates."""
    return list(io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""))


def records(data: bytes, cap: int, delimiter: str = ",", first_line: int = 1) -> Iterator[Record]:
    """Yields all records of whole lines of a file. One of more than `cap` bytes is treated as a forgotten quote."""
    lines = physical_lines(data)
    at = 0
    while at < len(lines):
        cells: list[str] | None
        cells, taken = _next_record(lines, at, delimiter)
        raw = _encoded(lines[at : at + taken])
        if at + taken > len(lines) or len(raw) > cap:
            cells, taken = None, 1
            raw = _encoded(lines[at : at + 1])
        yield Record(first_line + at, raw, cells, oversized=len(raw) > cap)
        at += taken


def packed(found: Iterable[Record], chunk_bytes: int, lines_max: int, start: int = 0) -> list[Bounds]:
    """Returns the chunks that result when these records are packed greedily, from byte `start` of the file on."""
    chunks = []
    end = start
    lines = 0
    for record in found:
        size, added = len(record.raw), len(physical_lines(record.raw))
        is_full = end + size - start > chunk_bytes or lines + added > lines_max
        if end > start and (record.oversized or is_full):
            chunks.append((start, end, False))
            start, lines = end, 0
        end += size
        lines += added
        if record.oversized:
            chunks.append((start, end, True))
            start, lines = end, 0
    return [*chunks, (start, end, False)] if end > start else chunks


def judged(found: Iterable[Record], header: Header) -> tuple[list[Product], list[Rejection]]:
    """Applies the row rules independently: which records are products, and why the others are not."""
    products: list[Product] = []
    rejections: list[Rejection] = []
    for record in found:
        code = _fault(record, header)
        if code is not None:
            kept = record.raw[:OVERSIZED_ROW_BYTES_STORED] if record.oversized else record.raw
            rejections.append((record.line, code, kept.rstrip(b"\r\n")))
        elif record.cells is not None and any(cell.strip() for cell in record.cells):
            products.append(_product(record.line, record.cells, header))
    return products, rejections


def _next_record(lines: list[str], at: int, delimiter: str) -> tuple[list[str], int]:
    """Returns the cells of the record at line `at`, and its number of lines; one more when its quote is not closed."""
    rest = (lines[index] if index < len(lines) else '"\n' for index in range(at, len(lines) + 1))
    reader = csv.reader(rest, delimiter=delimiter)
    cells = next(reader)
    return cells, reader.line_num


def _encoded(lines: list[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


def _product(line: int, cells: list[str], header: Header) -> Product:
    description = None if header.description is None else cells[header.description]
    active = "" if header.active is None else cells[header.active].strip().lower()
    return line, cells[header.sku].strip(), cells[header.name].strip(), description, _truth(active)


def _truth(active: str) -> bool | None:
    return active in YES if active else None


def _fault(record: Record, header: Header) -> str | None:
    """Returns why the record is not a product; None when it is one, or blank."""
    if record.cells is None:
        return "row_too_long" if record.oversized else "quote_unclosed"
    used = (header.sku, header.name, header.description, header.active)
    for column, cell in enumerate(record.cells):
        if any("\udc80" <= character <= "\udcff" for character in cell):
            return "invalid_utf8"
        if "\0" in cell and column in used:
            return "nul_character"
    if not any(cell.strip() for cell in record.cells):
        return None
    if len(record.cells) < header.width:
        return "too_few_fields"
    if any(record.cells[header.width :]):
        return "too_many_fields"
    return _field_fault(record.cells, header)


def _field_fault(cells: list[str], header: Header) -> str | None:
    _, sku, name, description, _ = _product(0, cells, header)
    active = "" if header.active is None else cells[header.active].strip().lower()
    faults = {
        "sku_missing": not sku,
        "sku_too_long": len(sku) > SKU_CHARACTERS_MAX,
        "name_missing": not name,
        "name_too_long": len(name) > NAME_CHARACTERS_MAX,
        "sku_invisible": all(each.isspace() or each in INVISIBLE for each in sku),
        "description_too_long": len((description or "").encode()) > DESCRIPTION_BYTES_MAX,
        "active_invalid": active not in ("", *YES, *NO),
    }
    code = next((code for code, is_so in faults.items() if is_so), None)
    return "sku_missing" if code == "sku_invisible" else code
