"""What the first record of a file says: its delimiter, its columns, and where the data begins.

Everything that can make a whole file unusable is found here, before a single row is read.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from chalicelib.errors import UnreadableFile
from chalicelib.limits import (
    COLUMNS_MAX,
    COLUMNS_SHOWN_MAX,
    FIELD_CHARACTERS_MAX,
    HEADER_BYTES_MAX,
    VALUE_CHARACTERS_SHOWN_MAX,
)

DELIMITERS = (",", ";", "\t", "|")
REJECTED_LINE = "rejected_line"
REJECTED_BECAUSE = "rejected_because"
"""The two columns the CSV of rejected rows has in front, so that it can be mended and uploaded again as it
is."""

UNCLOSED_SENTINEL = '"\n'
"""A line put behind the last one: a record that swallows it was still inside quotes at the end."""

_PADDING = " \t\r\n" + "".join(DELIMITERS)
"""A line of nothing else is blank, whatever the delimiter turns out to be."""
_REQUIRED = ("sku", "name")
_OPTIONAL = ("description", "active")
_ALIASES = {
    "product sku": "sku",
    "item sku": "sku",
    "sku code": "sku",
    "product code": "sku",
    "item code": "sku",
    "product name": "name",
    "item name": "name",
    "product title": "name",
    "title": "name",
    "product description": "description",
    "item description": "description",
    "desc": "description",
    "enabled": "active",
    "is active": "active",
    "is enabled": "active",
}

# The reader refuses fields of more than 128 KiB unless told otherwise, and can only be told so per process.
csv.field_size_limit(FIELD_CHARACTERS_MAX)


@dataclass(frozen=True, slots=True)
class Header:
    """The header record, and how to read the rows behind it.

    `sku`, `name`, `description` and `active` are column indexes; the latter two are None when the file has no
    such column. `width` is the number of columns, `end` the offset of the first byte behind the header record
    (counted in the object, BOM included), `lines` the number of physical lines up to there, so data begins on
    line `lines + 1`. `raw` is the record's text without its terminator.
    """

    delimiter: str
    names: tuple[str, ...]
    sku: int
    name: int
    description: int | None
    active: int | None
    width: int
    end: int
    lines: int
    raw: str
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object, from which `from_json` makes an equal header."""
        return asdict(self) | {"names": list(self.names), "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Header:
        """The header that `to_json` stored."""
        return cls(**{**stored, "names": tuple(stored["names"]), "warnings": tuple(stored["warnings"])})


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first record that is not blank, as one delimiter reads it: its cells, and its lines as [first, end).

    There are no cells when nothing but blank lines follows, or when the record is still inside quotes at the end.
    """

    delimiter: str
    names: tuple[str, ...]
    first: int
    end: int
    is_closed: bool

    @property
    def has_required(self) -> bool:
        return self.rank[0] == len(_REQUIRED)

    @property
    def rank(self) -> tuple[int, int]:
        found = _columns_by_field(self.names)
        return sum(field in found for field in _REQUIRED), len(self.names)


def read_header(head: bytes, *, is_whole: bool) -> Header:
    """Read the header from the first HEADER_BYTES_MAX bytes of the UTF-8 object, or all of it (`is_whole`) if
    shorter.

    Raises UnreadableFile when no import is possible: column_missing, column_doubled, too_many_columns,
    header_too_long, header_unclosed, header_missing, header_not_utf8, header_nul.
    """
    bom = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    lines = head[bom:].splitlines(keepends=True)
    if lines and not is_whole and not lines[-1].endswith(b"\n"):
        lines.pop()  # It may go on, and a CR may be half a CRLF.
    best = _best_reading(lines, is_whole=is_whole)
    raw = _text(b"".join(lines[best.first : best.end]))
    columns = _resolve(best.names)
    return Header(
        delimiter=best.delimiter,
        names=best.names,
        sku=columns["sku"],
        name=columns["name"],
        description=columns.get("description"),
        active=columns.get("active"),
        width=len(best.names),
        end=bom + sum(map(len, lines[: best.end])),
        lines=best.end,
        raw=raw.rstrip("\r\n"),
        warnings=_warnings(best.names, set(columns.values())),
    )


def _best_reading(lines: Sequence[bytes], *, is_whole: bool) -> _Reading:
    # The data may hold bytes that are not UTF-8: only those of the header itself matter, and are refused later.
    texts = [line.decode("utf-8", "surrogateescape") for line in lines]
    readings = [_reading(texts, delimiter) for delimiter in DELIMITERS]
    best = max(readings, key=lambda reading: reading.rank)
    is_closed = all(reading.is_closed for reading in readings)
    if not best.has_required and not (best.names and is_closed):
        _refuse_endless(is_whole=is_whole, is_closed=is_closed)
    return best


def _reading(texts: Sequence[str], delimiter: str) -> _Reading:
    reader = csv.reader([*texts, UNCLOSED_SENTINEL], delimiter=delimiter)
    first = 0
    for cells in reader:
        end = reader.line_num
        if end > len(texts):
            break
        if any(cell.strip(_PADDING) for cell in cells):
            return _Reading(delimiter, tuple(cells), first, end, is_closed=True)
        first = end
    return _Reading(delimiter, (), first, len(texts), is_closed=first == len(texts))


def _refuse_endless(*, is_whole: bool, is_closed: bool) -> NoReturn:
    if not is_whole:
        raise UnreadableFile(
            f"The header is longer than {HEADER_BYTES_MAX:,} bytes. If it is not meant to be, look for a quote in the "
            "first line that is never closed.",
            code="header_too_long",
        )
    if not is_closed:
        raise UnreadableFile(
            "A quote in the header is never closed. Close it, or remove it, and upload the file again.",
            code="header_unclosed",
        )
    raise UnreadableFile(
        "The file has no header: there is nothing in it but blank lines. The first line must name the columns, at "
        "least sku and name.",
        code="header_missing",
    )


def _text(record: bytes) -> str:
    if b"\0" in record:
        raise UnreadableFile(
            "The header holds NUL characters, so this is not a text file, or it is UTF-16 without a byte "
            "order mark. Save it as CSV UTF-8, or choose its encoding when uploading.",
            code="header_nul",
        )
    try:
        return record.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableFile(
            "The header is not UTF-8 text. Save the file as CSV UTF-8, or choose its encoding when uploading.",
            code="header_not_utf8",
        ) from None


def _resolve(names: Sequence[str]) -> dict[str, int]:
    """The column index of each field that is there."""
    if len(names) > COLUMNS_MAX:
        raise UnreadableFile(
            f"The header has {len(names):,} columns; at most {COLUMNS_MAX:,} are allowed. Remove those not needed.",
            code="too_many_columns",
        )
    found = _columns_by_field(names)
    for field, columns in found.items():
        if len(columns) > 1:
            _refuse_doubled(field, [names[column] for column in columns])
    missing = [field for field in _REQUIRED if field not in found]
    if missing:
        _refuse_missing(missing, names)
    return {field: columns[0] for field, columns in found.items()}


def _columns_by_field(names: Sequence[str]) -> dict[str, list[int]]:
    """The columns that could be each field: those with its exact name or, where there are none, with an
    alias."""
    exact: dict[str, list[int]] = {}
    aliased: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        plain = name.strip().lower()
        alias = _ALIASES.get(" ".join(plain.replace("_", " ").replace("-", " ").split()))
        if plain in _REQUIRED or plain in _OPTIONAL:
            exact.setdefault(plain, []).append(column)
        elif alias is not None:
            aliased.setdefault(alias, []).append(column)
    return aliased | exact


def _refuse_doubled(field: str, names: Sequence[str]) -> NoReturn:
    raise UnreadableFile(
        f"More than one column could be the {field}: {_listed(names)}. Keep one, named {field}; rename the others.",
        code="column_doubled",
    )


def _refuse_missing(missing: Sequence[str], names: Sequence[str]) -> NoReturn:
    what = f"no {missing[0]} column" if len(missing) == 1 else f"neither a {' nor a '.join(missing)} column"
    raise UnreadableFile(
        f"The file has {what}. The columns found are: {_listed(names)}. The first line must name the "
        "columns, at least sku and name, separated by commas, semicolons, tabs or bars.",
        code="column_missing",
    )


def _warnings(names: Sequence[str], used: set[int]) -> tuple[str, ...]:
    ours = {REJECTED_LINE, REJECTED_BECAUSE}
    unknown = [
        name
        for column, name in enumerate(names)
        if column not in used and name.strip() and name.strip().lower() not in ours
    ]
    return (f"Unknown columns were ignored: {_listed(unknown)}.",) if unknown else ()


def _listed(names: Sequence[str]) -> str:
    """Names in quotes, for a message: not too many, none too long."""
    shown = [f"“{shortened(name.strip())}”" for name in names[:COLUMNS_SHOWN_MAX]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def shortened(value: str) -> str:
    """The value, or its beginning, as a message can quote it on one line."""
    line = " ".join(value[: VALUE_CHARACTERS_SHOWN_MAX + 1].split())
    return line if len(value) <= VALUE_CHARACTERS_SHOWN_MAX else line[:VALUE_CHARACTERS_SHOWN_MAX] + "…"
