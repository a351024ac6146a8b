"""Encodes rows in the text format of PostgreSQL's COPY, in bulk: a few passes over a whole text, not over its fields.

The delimiter is U+0001, which real catalogues do not contain, so only the backslash and line ends have to be escaped.
The row rules reject NUL, so NUL can be a placeholder for what is inserted after escaping: alone it is the end of a row,
before N it is a null, before D it is a U+0001 that is part of the text. A row begins with its line number, so no letter
follows the end of a row.
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
    """Encodes one line per row. `holds_delimiter` says that some text in the rows may contain DELIMITER."""
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
