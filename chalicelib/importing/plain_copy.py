"""Passes the bytes of a chunk to PostgreSQL's COPY as they are in the file, if every row of the chunk is plain.

One regular expression proves that: each row is as wide as the header, with quotes only around whole fields, a SKU and a
name that are neither blank nor too long and have nothing to trim, and so on. PostgreSQL reads such CSV as csv.reader
does, so nothing is parsed here. If every row is one line, PostgreSQL counts the lines, and the bytes stay what they
are; otherwise the number of its line is written before each row. Anything that is not proven sends the whole chunk to
the row rules (`chalicelib.csvfile.rows`), which alone decide about rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count, groupby, repeat

from psycopg import sql

from chalicelib import skus
from chalicelib.csvfile.header import Header
from chalicelib.limits import (
    DESCRIPTION_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    PLAIN_COLUMNS_IGNORED_MAX,
    SKU_CHARACTERS_MAX,
)
from chalicelib.sql import query

_DESCRIPTION_CHARACTERS_MAX = DESCRIPTION_BYTES_MAX // 4
"""A character has at most four bytes in UTF-8, so no description of this length is too long."""
_SEGMENT_CHARACTERS_MAX = 2_000
_SEGMENTS_MAX = _DESCRIPTION_CHARACTERS_MAX // (_SEGMENT_CHARACTERS_MAX + 2)
"""Doubled quotes divide a description into segments. Few, and not too long, they cannot be too much together."""
_PATTERNS_KEPT_MAX = 32
_LONE_CR = re.compile(rb"\r(?!\n)")
_INSIDE = '[^"]'
"""A character inside quotes, other than a doubled quote: every pattern here spells it like this."""
_IN_ONE_LINE = r'[^"\n]'
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
_ACTIVE = r"(?ai:true|false|yes|no|on|off|[tfyn10])"
"""What PostgreSQL's boolean and the row rules both understand, and alike."""


@dataclass(frozen=True)
class PlainRows:
    """Rows as CSV, and the statement that copies them."""

    lines: bytes
    count: int
    statement: sql.Composed


def read(data: bytes, header: Header, first_line: int) -> PlainRows | None:
    """Returns the rows of a chunk; None unless all of them are plain.

    `data` begins and ends at record boundaries, and no record in it is too long; `first_line` is the number of its
    first line. PostgreSQL numbers the rows from there (`number_incoming`), unless each comes after its number.
    """
    text = _text(data)
    if text is None or header.width > PLAIN_COLUMNS_IGNORED_MAX + _used(header):
        return None
    at = text.rfind("\n")
    line_end = "\r\n" if text[at - 1 : at] == "\r" else "\n"
    # A text in which a row has several lines fails at the first of these, so the second scan costs little.
    if _plain_rows(header, line_end, _IN_ONE_LINE).fullmatch(text) is not None:
        return PlainRows(data, text.count("\n") + (not text.endswith("\n")), _statement(header, []))
    if _plain_rows(header, line_end, _INSIDE).fullmatch(text) is not None:
        lines, rows = _numbered(text, header.delimiter, first_line)
        return PlainRows(lines.encode(), rows, _statement(header, ["line"]))
    return None


def _text(data: bytes) -> str | None:
    """Returns the text; None if it is empty or not UTF-8, or contains NUL or a CR without LF."""
    if not data or b"\0" in data or _LONE_CR.search(data):
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _numbered(text: str, delimiter: str, first_line: int) -> tuple[str, int]:
    """Writes its number before each line that begins a row: those after an even number of quotes. Counts the rows."""
    lines = text.split("\n")
    is_inside = list(map((1).__and__, accumulate(map(str.count, lines, repeat('"')), initial=0)))
    # An empty line is part of a field, or what follows the last line end.
    numbered = [
        f"{number}{delimiter}{line}" if line and not inside else line
        for number, line, inside in zip(count(first_line), lines, is_inside, strict=False)
    ]
    return "\n".join(numbered), len(lines) - sum(is_inside) - (not lines[-1])


def _statement(header: Header, before: list[str]) -> sql.Composed:
    """Returns the statement that copies rows with the columns of this header, and others before them."""
    columns = [_column(header, at) for at in range(header.width)]
    texts = [column for column in columns if column in {"sku", "name", "description"}]
    return sql.SQL(query("copy_plain_incoming")).format(
        sql.SQL(", ").join(map(sql.Identifier, before + columns)),
        sql.Literal(header.delimiter),
        sql.SQL(", ").join(map(sql.Identifier, texts)),
    )


def _column(header: Header, at: int) -> str:
    """Returns the column of the table `incoming` for a column of the file."""
    fields = {header.active: "active", header.description: "description", header.name: "name", header.sku: "sku"}
    if at in fields:
        return fields[at]
    return f"ignored_{at - sum(used is not None and used < at for used in fields)}"


def _used(header: Header) -> int:
    """Returns how many columns of the file are used."""
    return sum(column is not None for column in (header.sku, header.name, header.description, header.active))


@lru_cache(maxsize=_PATTERNS_KEPT_MAX)
def _plain_rows(header: Header, line_end: str, inside: str) -> re.Pattern[str]:
    """Matches a text in which every row is plain. All rows, except the last, end with `line_end`.

    `inside` matches a character inside quotes.
    All quantifiers are possessive, so a text that does not match costs one scan, like a text that does.
    """
    separator = re.escape(header.delimiter)
    bare = rf'[^"{separator}\r\n]'
    patterns = {
        header.active: rf'(?:{_ACTIVE}?+|"{_ACTIVE}")',
        header.description: _description(bare),
        header.name: _trimmed(bare, NAME_CHARACTERS_MAX),
        # One of invisible characters alone begins with one. The row parser decides which these are.
        header.sku: rf'(?!"?[{skus.INVISIBLE}])' + _trimmed(bare, SKU_CHARACTERS_MAX),
    }
    ignored = rf"(?:{_QUOTED}|{bare}*+)"
    fields = groupby(patterns.get(at, ignored) for at in range(header.width))
    row = separator.join(_repeated(pattern, len(list(same)), separator) for pattern, same in fields)
    row = row.replace(_INSIDE, inside)
    return re.compile(rf"(?:{row}(?:{line_end}|\Z))++")


def _repeated(pattern: str, times: int, separator: str) -> str:
    return rf"(?:{pattern}{separator}){{{times - 1}}}+{pattern}" if times > 1 else pattern


def _description(bare: str) -> str:
    """Matches a field that cannot be too long. The last alternative is for many doubled quotes, and is slow."""
    characters, segment = _DESCRIPTION_CHARACTERS_MAX, rf'[^"]{{0,{_SEGMENT_CHARACTERS_MAX}}}+'
    few = rf'"{segment}(?:""{segment}){{0,{_SEGMENTS_MAX - 1}}}+"'
    return rf'(?:{few}|{bare}{{0,{characters}}}+|"(?:[^"]|""){{0,{characters}}}+")'


def _trimmed(bare: str, characters_max: int) -> str:
    """Matches a field that is not blank, not too long, and does not begin or end with white space."""
    return (
        rf"(?:(?!\s){bare}{{1,{characters_max}}}+(?<!\s)"
        rf'|"(?!["\s])[^"]{{1,{characters_max}}}+(?<!\s)"'
        rf'|"(?!\s)(?:[^"]|""){{1,{characters_max}}}+(?<!\s)")'
    )
