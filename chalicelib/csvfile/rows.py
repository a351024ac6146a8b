"""The row rules: which rows of a chunk become products, and why the others do not.

A bad row is data, not an error: it is returned with its line, its column, a stable code, a message for the author of
the file, and its original bytes. Records begin and end where `boundaries` says, so a file gives the same rows however
it was cut into chunks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from io import StringIO
from itertools import chain
from typing import NamedTuple, NoReturn

from chalicelib import skus
from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.header import UNCLOSED_SENTINEL, Header, shortened
from chalicelib.limits import (
    DESCRIPTION_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    OVERSIZED_ROW_BYTES_STORED,
    RECORD_BYTES_MAX,
    SKU_CHARACTERS_MAX,
)

_ACTIVE: dict[str, bool | None] = {
    "": None,
    "true": True,
    "yes": True,
    "1": True,
    "y": True,
    "t": True,
    "on": True,
    "active": True,
    "false": False,
    "no": False,
    "0": False,
    "n": False,
    "f": False,
    "off": False,
    "inactive": False,
}
ROW_TOO_LONG = "row_too_long"
"""The code of a line of which only the beginning is kept."""
QUOTE_UNCLOSED = "quote_unclosed"
"""The code of a line that opens a quote: the rest of its row, if there is any, was read as rows of its own."""
_new_tuple = tuple.__new__
_INVISIBLE = frozenset(skus.INVISIBLE)
_UNDECODABLE = re.compile("[\udc80-\udcff]")
"""The surrogates to which the surrogateescape error handler decodes bytes that are not UTF-8."""
_DESCRIPTION_CHARACTERS_SAFE = DESCRIPTION_BYTES_MAX // 4
"""A character has at most four bytes in UTF-8, so shorter descriptions need not be measured."""


class Row(NamedTuple):
    """A product in the file. A `description` or `active` of None keeps the stored value."""

    line: int
    sku: str
    name: str
    description: str | None
    active: bool | None


class RejectedRow(NamedTuple):
    """A row that is not a product, with the reason. `column` is None if the whole row is bad; `raw` has no line end."""

    line: int
    column: str | None
    code: str
    message: str
    raw: bytes

    @property
    def stored_bytes(self) -> int:
        """The size of everything that is stored of it, except numbers."""
        texts = (self.column or "", self.code, self.message)
        return sum(len(text.encode()) for text in texts) + len(self.raw)


Judge = Callable[[int, list[str]], Row | None]
Reject = Callable[[RejectedRow], object]


def read_rows(
    data: bytes,
    header: Header,
    first_line: int,
    reject: Reject,
    *,
    regular: bool = False,
    record_bytes_max: int = RECORD_BYTES_MAX,
) -> Iterator[Row]:
    """Checks every row of a chunk, in the order of the file: yields the products, passes the others to `reject`.

    `data` begins and ends at record boundaries; `first_line` is the number of its first line; `regular` is the value
    from the splitter. Blank lines, and rows with only blank cells, do not count as rows. Never raises because of the
    content of the rows.

    Yields rows one by one: keeping all rows of a chunk would make reading them a third slower.
    """
    rules = _Rules(header)
    # Chained, not `yield from`: another generator between the rows and the caller would cost a fifth of the time.
    return chain.from_iterable(
        _read_piece(data[piece.start : piece.end], piece, rules, reject)
        for piece in _pieces(data, header, first_line, regular, record_bytes_max)
    )


def oversized_row(head: bytes, line: int) -> RejectedRow:
    """Returns the rejection of a line longer than a record may be. `head` is its beginning, at least a KiB."""
    return RejectedRow(
        line,
        None,
        ROW_TOO_LONG,
        f"This line has more than {RECORD_BYTES_MAX:,} bytes, the most that a row may have. Only its first "
        f"{OVERSIZED_ROW_BYTES_STORED:,} bytes are kept here. Shorten it, or add the missing line breaks.",
        head[:OVERSIZED_ROW_BYTES_STORED].rstrip(b"\r\n"),
    )


def _pieces(data: bytes, header: Header, first_line: int, regular: bool, record_bytes_max: int) -> Iterable[Chunk]:
    """Splits a chunk into parts in which no record can be too long. Usually the chunk is one such part."""
    if regular or len(data) <= record_bytes_max:
        return [Chunk(0, len(data), first_line, first_line, oversized=False, regular=True)]
    splitter = Splitter(header.delimiter, 0, first_line, record_bytes_max, record_bytes_max=record_bytes_max)
    return chain(splitter.feed(data), splitter.finish())


def _read_piece(data: bytes, piece: Chunk, rules: _Rules, reject: Reject) -> Iterator[Row]:
    first_line = piece.first_line
    if piece.oversized:
        reject(oversized_row(data, first_line))
        return
    text, is_clean = _decoded(data)
    judge = rules.judge if is_clean else rules.judge_suspect
    header = rules.header
    width = header.width
    sku_at, name_at, description_at, active_at = header.sku, header.name, header.description, header.active
    lines = _Lines(text)
    at_end: list[bool] = []
    reader = csv.reader(chain(lines, _sentinel(at_end)), delimiter=header.delimiter)
    start = 0
    for cells in reader:
        if at_end:
            break
        # Ordinary rows are checked inline: a call for each of them would take as long as reading it.
        if (
            is_clean
            and len(cells) == width
            and 0 < len(sku := cells[sku_at].strip()) <= SKU_CHARACTERS_MAX
            and sku[0] not in _INVISIBLE
            and 0 < len(name := cells[name_at].strip()) <= NAME_CHARACTERS_MAX
            and (description_at is None or len(cells[description_at]) <= _DESCRIPTION_CHARACTERS_SAFE)
            and (active_at is None or cells[active_at] in _ACTIVE)
        ):
            description = None if description_at is None else cells[description_at]
            active = None if active_at is None else _ACTIVE[cells[active_at]]
            # Row(...) would run a Python-level __new__, twice as slow.
            yield _new_tuple(Row, (first_line + start, sku, name, description, active))
        else:
            yield from _judged(judge, first_line + start, cells, partial(lines.raw, start, reader.line_num), reject)
        start = reader.line_num
    if reader.line_num > start + 1:
        # The sentinel is part of a record that began before it.
        yield from _read_open_lines(lines, start, first_line, header.delimiter, judge, reject)


def _read_open_lines(
    lines: _Lines, start: int, first_line: int, delimiter: str, judge: Judge, reject: Reject
) -> Iterator[Row]:
    """Reads the lines from `start` on, where a record begins that is still inside quotes at the end.

    Only the first line of that record counts as a record, and parsing restarts at the next line. A record that starts
    there either ends with its line, or is inside quotes as well and does not end either. So each of these lines is a
    record.
    """
    for number, line in enumerate(lines.from_(start), start):
        reader = csv.reader((line, UNCLOSED_SENTINEL), delimiter=delimiter)
        cells = next(reader)
        judge_it = judge if reader.line_num == 1 else _refuse_unclosed
        yield from _judged(judge_it, first_line + number, cells, partial(lines.raw, number, number + 1), reject)


def _judged(judge: Judge, line: int, cells: list[str], raw: Callable[[], bytes], reject: Reject) -> Iterator[Row]:
    """Yields the product in these cells; nothing when the row is blank or passed to `reject`."""
    try:
        row = judge(line, cells)
    except _Refused as refused:
        reject(RejectedRow(line, *refused.reason, raw()))
    else:
        if row is not None:
            yield row


def _decoded(piece: bytes) -> tuple[str, bool]:
    """Returns the text, and whether it is clean: without NUL, and without surrogates for bytes that are not UTF-8."""
    try:
        return piece.decode("utf-8"), b"\0" not in piece
    except UnicodeDecodeError:
        return piece.decode("utf-8", "surrogateescape"), False


class _Lines:
    """The physical lines of a text. They become a list only if the text has a bad row."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return StringIO(self._text, newline="")

    @cached_property
    def _all(self) -> list[str]:
        return list(self)

    def from_(self, start: int) -> list[str]:
        """Returns the lines from number `start` on, counted from 0."""
        return self._all[start:]

    def raw(self, start: int, end: int) -> bytes:
        """Returns the bytes of the lines [start, end), without the last line end."""
        return "".join(self._all[start:end]).encode("utf-8", "surrogateescape").rstrip(b"\r\n")


def _sentinel(at_end: list[bool]) -> Iterator[str]:
    """Yields the sentinel and records that it was taken, so that the record that contains it is known."""
    at_end.append(True)
    yield UNCLOSED_SENTINEL


class _Refused(Exception):
    """A rule rejects the row. `reason` is the column, the code and the message."""

    def __init__(self, column: str | None, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = (column, code, message)


def _refuse_unclosed(line: int, cells: list[str]) -> NoReturn:  # noqa: ARG001  # a Judge, like the others
    raise _Refused(
        None,
        QUOTE_UNCLOSED,
        f"A quote opens in this line and is not closed within {RECORD_BYTES_MAX:,} bytes or before the end of the "
        "file, so only this line was left out. Close the quote. If it is part of the text, double it.",
    )


class _Rules:
    """The rules for a row, given the columns of the header."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._width = header.width
        self._sku = header.sku
        self._name = header.name
        self._description = header.description
        self._active = header.active
        used = {
            "sku": header.sku,
            "name": header.name,
            "description": header.description,
            "active": header.active,
        }
        self._fields = {column: field for field, column in used.items() if column is not None}

    def judge(self, line: int, cells: list[str]) -> Row | None:
        """Returns the product in these cells, or None for a blank row. Raises _Refused."""
        if len(cells) != self._width and not self._fits(cells):
            return None
        sku = cells[self._sku].strip()
        name = cells[self._name].strip()
        if not (0 < len(sku) <= SKU_CHARACTERS_MAX and 0 < len(name) <= NAME_CHARACTERS_MAX):
            if _is_blank(cells):
                return None
            _refuse_length("sku", "SKU", sku, SKU_CHARACTERS_MAX)
            _refuse_length("name", "name", name, NAME_CHARACTERS_MAX)
        if skus.is_empty(sku):
            raise _Refused(
                "sku",
                "sku_missing",
                "The SKU has only invisible characters, so it is empty. Every product needs a SKU.",
            )
        description = None
        if self._description is not None:
            description = cells[self._description]
            if len(description) > _DESCRIPTION_CHARACTERS_SAFE:
                _check_description(description)
        active = None if self._active is None else _active(cells[self._active])
        return Row(line, sku, name, description, active)

    def judge_suspect(self, line: int, cells: list[str]) -> Row | None:
        """Does the same for text in which some row contains NUL characters or bytes that are not UTF-8."""
        for column, cell in enumerate(cells):
            if _UNDECODABLE.search(cell):
                raise _Refused(
                    self._label(column),
                    "invalid_utf8",
                    "This row contains bytes that are not UTF-8 text. Save the file as CSV UTF-8, or choose its "
                    "encoding when you upload it.",
                )
            if "\0" in cell and column in self._fields:
                raise _Refused(
                    self._label(column),
                    "nul_character",
                    f"The {self._label(column)} contains a NUL character, which is not allowed. Remove it.",
                )
        return self.judge(line, cells)

    def _label(self, column: int) -> str | None:
        """Returns the name of a column in messages: its field or, if the column is ignored, its own name, shortened.

        A name may be as long as the header, and is stored again with each rejected row.
        """
        if column >= self._width:
            return None
        return self._fields.get(column) or shortened(self.header.names[column])

    def _fits(self, cells: list[str]) -> bool:
        """Returns whether a row that is not as wide as the header counts: False if it is blank. Raises _Refused."""
        if _is_blank(cells):
            return False
        if len(cells) < self._width:
            raise _Refused(
                None,
                "too_few_fields",
                f"This row has {len(cells):,} fields, but the header has {self._width:,}. Add the missing fields, "
                "even if they are empty.",
            )
        if any(cells[self._width :]):
            raise _Refused(
                None,
                "too_many_fields",
                f"This row has {len(cells):,} fields, but the header has {self._width:,}. Put quotes around a field "
                "that contains the separator.",
            )
        return True


def _is_blank(cells: Iterable[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _refuse_length(column: str, label: str, value: str, characters_max: int) -> None:
    if not value:
        raise _Refused(column, f"{column}_missing", f"The {label} is empty. Every product needs a {label}.")
    if len(value) > characters_max:
        raise _Refused(
            column,
            f"{column}_too_long",
            f"The {label} “{shortened(value)}” has {len(value):,} characters; at most {characters_max} are allowed. "
            "Shorten it.",
        )


def _check_description(description: str) -> None:
    size_bytes = len(description.encode("utf-8"))
    if size_bytes > DESCRIPTION_BYTES_MAX:
        raise _Refused(
            "description",
            "description_too_long",
            f"The description has {size_bytes:,} bytes in UTF-8; at most {DESCRIPTION_BYTES_MAX:,} are allowed. "
            "Shorten it.",
        )


def _active(value: str) -> bool | None:
    """Returns the value of an active cell; None, which keeps the stored value, if it is blank."""
    plain = value.strip().lower()
    if plain not in _ACTIVE:
        raise _Refused(
            "active",
            "active_invalid",
            f"“{shortened(value)}” is not a valid value for active. Use true or false, or leave the cell empty.",
        )
    return _ACTIVE[plain]
