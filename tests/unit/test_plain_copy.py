"""Chunks that go to PostgreSQL as they are in the file: which, and that the row rules would read the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chalicelib.csvfile.header import read_header
from chalicelib.csvfile.rows import RejectedRow, read_rows
from chalicelib.limits import DESCRIPTION_BYTES_MAX, PLAIN_COLUMNS_IGNORED_MAX
from infra.local.client import demo_file
from tests.support import plain_rows

HEADER = read_header(b"name,sku,x,description,active\n", is_whole=True)
LONG = DESCRIPTION_BYTES_MAX // 4 + 1
"""Characters of a description that might be too long."""
SEED = 20_261_127
RUNS = 20_000
GOOD = (
    b"Lamp", b'"Lamp"', b"A-1", b"7", b"caf\xc3\xa9", b'"6"" nail"', b'"""x"""', b"true", b"No", b'"on"', b"", b'""',
    b'"two\nlines"', b'"two\r\nlines"', b'"a,b"', b"\\.", b'"\n\\.\n"', b'"\\"', b"a" * 64, b"a" * 255, b"\xe3\x80\x81",
)  # fmt: skip
BAD = (
    b" a", b"a ", b'" a"', b'"a\t"', b"a\xc2\xa0", b"\xe3\x80\x80a", b"\x1fa", b"a\x00", b"\xff", b"a" * 256, b'a"b"',
    b'"a"b', b'"', b"\r", b"\n", b",", b"active", b"tr", b"ye\xc5\xbf", b'"two\rlines"', b"\xc2\x85", b"a" * 65,
)  # fmt: skip


def rows(data: bytes, first_line: int = 2) -> tuple[list[object], list[RejectedRow]]:
    rejected: list[RejectedRow] = []
    return list(read_rows(data, HEADER, first_line, rejected.append, regular=True)), rejected


def row(name: bytes = b"Lamp", sku: bytes = b"A", x: bytes = b"", text: bytes = b"", active: bytes = b"") -> bytes:
    return b",".join((name, sku, x, text, active)) + b"\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"Desk,B,,Oak,"])
def test_ordinary_rows_are_plain(line_end: bytes, last: bytes) -> None:
    data = b'Lamp,A,7,"two\nlines",true\n"6"" nail","A 2",,"",\n'.replace(b"\n", line_end) + last

    found = plain_rows.read(data, HEADER, 2)

    assert found is not None
    assert (found, []) == rows(data)


def test_the_demonstration_file_is_plain(tmp_path: Path) -> None:
    demo_file.write(tmp_path / "demo.csv", 100)
    data = (tmp_path / "demo.csv").read_bytes()
    header = read_header(data, is_whole=True)

    found = plain_rows.read(data[header.end :], header, 2)

    assert found is not None
    assert found == list(read_rows(data[header.end :], header, 2, pytest.fail, regular=True))  # type: ignore[arg-type]
    assert len(found) == 100


@pytest.mark.parametrize(
    "data",
    [
        b"", row(name=b" Lamp"), row(name=b"Lamp\xc2\xa0"), row(sku=b"A\x1f"), row(sku=b'" A"'), row(sku=b'"A\n"'),
        row(name=b""), row(sku=b'""'), row(sku=b"a" * 65), row(name=b"a" * 256), row(name=b'"' + b'""' * 256 + b'"'),
        row(text=b"a" * LONG), row(text=b'"' + b"a" * LONG + b'"'), row(text=b'"' + b'""' * LONG + b'"'),
        row(active=b"tr"), row(active=b"active"), row(active=b"ye\xc5\xbf"), row(active=b'""'), row(active=b" "),
        row() + b"\n", b"\n" + row(), row() + b"Lamp,B,,\n", row() + b"Lamp,B,,,,\n", row(x=b"\xff"), row(x=b"\0"),
        row(text=b'a"b"'), row(text=b'"a"b'), row(text=b'"a'), row(text=b' "a"'), row(text=b'"a\rb"'),
        row(text=b"a\rb"),
        row() + row(sku=b"B").replace(b"\n", b"\r\n"), row(sku=b"B").replace(b"\n", b"\r\n") + row(),
        row().replace(b"\n", b"\r"),
    ],
)  # fmt: skip
def test_anything_else_is_for_the_row_rules(data: bytes) -> None:
    assert plain_rows.read(data, HEADER, 2) is None


def test_rows_with_many_columns_that_are_not_used_are_for_the_row_rules() -> None:
    def found(ignored: int) -> object:
        header = read_header(b"sku,name" + b",x" * ignored + b"\n", is_whole=True)
        return plain_rows.read(b"A,Lamp" + b"," * ignored + b"\n", header, 2)

    assert found(PLAIN_COLUMNS_IGNORED_MAX) is not None
    assert found(PLAIN_COLUMNS_IGNORED_MAX + 1) is None


def test_random_plain_chunks_are_read_as_the_row_rules_read_them() -> None:
    source, plain = random.Random(SEED), 0
    for _ in range(RUNS):
        data = random_chunk(source)
        found = plain_rows.read(data, HEADER, 7)
        if found is not None:
            plain += 1
            assert (found, []) == rows(data, 7), data
    assert plain > RUNS / 20, "too few of the chunks are plain"


def random_chunk(source: random.Random) -> bytes:
    """Returns rows of mostly good fields."""
    line_end = source.choice((b"\n", b"\r\n"))
    lines = [b",".join(_field(source, column) for column in range(5)) for _ in range(source.randint(1, 4))]
    return line_end.join([*lines, b""] if source.random() < 0.8 else lines)


def _field(source: random.Random, column: int) -> bytes:
    if source.random() < 0.03:
        return source.choice(BAD)
    if column == 4:
        return source.choice((b"", b"true", b"No", b'"on"', b"0", b"F"))
    return source.choice(GOOD[:7] if column < 2 else GOOD)
