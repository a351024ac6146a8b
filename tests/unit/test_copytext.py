"""Rows in COPY's text format, read back by rules written independently, from PostgreSQL's documentation."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.csvfile.rows import Row
from chalicelib.importing.copy_text import DELIMITER, encode

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
ACTIVE = {"t": True, "f": False, None: None}

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("\\\n\r\t\x01ND"))
rows = st.builds(
    Row,
    line=st.integers(2, 2**32 - 1),
    sku=texts.filter(bool),
    name=texts.filter(bool),
    description=st.none() | texts,
    active=st.none() | st.booleans(),
)


def fields(line: str) -> list[str | None]:
    """The fields of one line: parted by a bare delimiter; \\N is null; a backslash takes the next character with it."""
    raw: list[list[str]] = [[]]
    characters = iter(line)
    for character in characters:
        if character == DELIMITER:
            raw.append([])
        else:
            raw[-1].append(character + next(characters) if character == "\\" else character)
    return [None if field == ["\\N"] else "".join(map(_unescaped, field)) for field in raw]


def _unescaped(character: str) -> str:
    return ESCAPES.get(character[1], character[1]) if character[0] == "\\" else character


@given(st.lists(rows, max_size=20))
@example([Row(2, "N", "D", "", None), Row(3, "\\N", "\\", None, True), Row(4, "\x01", "\x01N", "\n\x01\\\x01D", False)])
def test_what_is_encoded_is_read_back(wanted: list[Row]) -> None:
    holds_delimiter = any(DELIMITER in text for row in wanted for text in row if isinstance(text, str))

    encoded = encode(wanted, holds_delimiter=holds_delimiter).decode()

    assert encoded == "" or encoded.endswith("\n")
    found = [fields(line) for line in encoded.split("\n")[:-1]]
    assert [(int(str(line)), sku, name, text, ACTIVE[active]) for line, sku, name, text, active in found] == wanted
