"""Rows in the text format of PostgreSQL's COPY, built in bulk: a few passes over a text, not over its fields.

COPY is told to part fields with U+0001, which real catalogues do not contain, so that nothing but the backslash and
line ends has to be escaped. No text that gets here holds NUL (the row rules see to it), so NUL can stand for what is
put in after escaping: a row's end, and before a letter a null (N) or a U+0001 that is part of the text (D). A row
begins with its line number, so no letter follows a row's end.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.csvfile.rows import Row

DELIMITER = "\x01"
_NULL = "\0N"
_DELIMITER_AS_TEXT = "\0D"
_ACTIVE = {None: _NULL, True: "t", False: "f"}
_IN_ORDER = (
    (b"\\", b"\\\\"),
    (b"\n", b"\\n"),
    (b"\r", b"\\r"),
    (b"\0N", b"\\N"),
    (b"\0D", b"\\\x01"),
    (b"\0", b"\n"),
)


def encode(rows: Iterable[Row], *, holds_delimiter: bool) -> bytes:
    """The columns of Row, a line each. `holds_delimiter`: some text in the rows may contain DELIMITER."""
    if holds_delimiter:
        rows = map(_without_delimiter, rows)
    text = "".join(
        [
            f"{line}\x01{sku}\x01{name}\x01{_NULL if description is None else description}\x01{_ACTIVE[active]}\0"
            for line, sku, name, description, active in rows
        ]
    )
    encoded = text.encode("utf-8")
    for old, new in _IN_ORDER:
        encoded = encoded.replace(old, new)
    return encoded


def _without_delimiter(row: Row) -> Row:
    description = row.description
    return row._replace(
        sku=row.sku.replace(DELIMITER, _DELIMITER_AS_TEXT),
        name=row.name.replace(DELIMITER, _DELIMITER_AS_TEXT),
        description=None if description is None else description.replace(DELIMITER, _DELIMITER_AS_TEXT),
    )
