"""Chunks that PostgreSQL reads as they are in the file, compared with the row rules on a real server."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import psycopg
import pytest

from chalicelib.csvfile.header import DELIMITERS, Header, read_header
from chalicelib.csvfile.rows import Row, read_rows
from chalicelib.importing import copy_text, plain_copy
from chalicelib.sql import query
from infra.local.testing import Services
from tests.support.pipeline import Pipeline

SEED = 20_261_127
RUNS = 3_000
COLUMNS = ("name,sku,x,description,active", "sku,name", "x,y,active,z,name,sku", "description,sku,name,x")
GOOD = {
    "sku": ('"A-1"', "7", "x" * 64, "\\.", "Ä", '"a""b"', "\x01", "\ufeff"),
    "name": ("Lamp", '"6"" nail"', "é" * 255, '"""q"""', "\\N", '"a\nb"', "\u200b"),
    "active": ("", "true", '"No"', "ON", "0"),
    "description": (
        "", '""', "\\.", '"\n\\.\n"', '"two\r\nlines"', '" a "', " a ", '"a""\n""b"', "\\n", '"' + "a" * 9000 + '"',
    ),
    "x": ("", '""', '"\n\\.\n"', "  ", "7", '"\n\n"', "\\"),
}  # fmt: skip
BAD = (" a", "a\x85", 'a"b"', '"a"b', '"', "\r", "\n", "\0", "\u3000", "active", "tr", "\\.")


@pytest.fixture(scope="module")
def connection(services: Services) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(services.conninfos["importer"], autocommit=True) as connected:
        connected.execute(query("create_incoming"))
        yield connected


def test_postgresql_reads_plain_chunks_as_the_row_rules_do(
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    source, plain = random.Random(SEED), 0
    for _ in range(RUNS):
        header = header_of(source.choice(COLUMNS), source.choice(DELIMITERS))
        data = random_chunk(source, header)
        found = copied(connection, data, header)
        if found is not None:
            plain += 1
            rejected: list[object] = []
            assert found == list(read_rows(data, header, 7, rejected.append, regular=True)), data
            assert rejected == []
    assert plain > RUNS / 10, "too few of the chunks are plain"


def test_an_import_of_plain_rows_has_the_same_result_as_one_of_parsed_rows(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, parsed_chunks = copy_text.encode, []

    def noted(rows: Iterable[Row], *, holds_delimiter: bool) -> bytes:
        parsed_chunks.append(rows)
        return encode(rows, holds_delimiter=holds_delimiter)

    monkeypatch.setattr(copy_text, "encode", noted)
    file = b'sku,name,description,active\nA,Lamp,"two\nlines",\nB,Desk,,no\na,Lamp 2,,yes\nA,Lamp 3,,\n'

    plain = pipeline.run(file)["rows"], pipeline.products()
    assert parsed_chunks == []
    pipeline.reset()
    monkeypatch.setattr(plain_copy, "read", lambda *_: None)
    parsed = pipeline.run(file)["rows"], pipeline.products()

    assert parsed_chunks != []
    assert plain == parsed
    assert plain[0]["created"] == 2


@pytest.mark.parametrize("given", [b"not,a,row\n", b"D,Door\n"])
def test_a_chunk_that_postgresql_refuses_or_reads_differently_is_parsed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, given: bytes
) -> None:
    read = plain_copy.read

    def broken(data: bytes, header: Header, first_line: int) -> plain_copy.PlainRows | None:
        plain = read(data, header, first_line)
        return plain and replace(plain, lines=plain.lines + given)

    monkeypatch.setattr(plain_copy, "read", broken)

    assert pipeline.run(b"sku,name\nA,Lamp\nB,Desk\n")["rows"]["created"] == 2
    assert pipeline.run(b"sku,name\nA,Lamp\nC,Chair\n")["rows"]["created"] == 1


def header_of(columns: str, delimiter: str) -> Header:
    return read_header(columns.replace(",", delimiter).encode() + b"\n", is_whole=True)


def random_chunk(source: random.Random, header: Header) -> bytes:
    line_end = source.choice(("\n", "\r\n"))
    lines = [header.delimiter.join(_field(source, name) for name in header.names) for _ in range(source.randint(1, 6))]
    return line_end.join([*lines, ""] if source.random() < 0.8 else lines).encode()


def _field(source: random.Random, name: str) -> str:
    return source.choice(BAD if source.random() < 0.02 else GOOD.get(name, GOOD["x"]))


def copied(
    connection: psycopg.Connection[tuple[object, ...]], data: bytes, header: Header
) -> list[tuple[object, ...]] | None:
    """Returns what the server has read, in the order of the lines; None if the chunk is not plain."""
    plain = plain_copy.read(data, header, 7)
    if plain is None:
        return None
    connection.execute(query("empty_incoming"))
    connection.execute(query("number_incoming"), {"first_line": 7})
    with connection.cursor() as cursor:
        with cursor.copy(plain.statement) as copy:
            copy.write(plain.lines)
        assert cursor.rowcount == plain.count
        found = cursor.execute("select line, sku, name, description, active from incoming order by line").fetchall()
    return [Row(*each) for each in found]  # type: ignore[arg-type]


def test_every_row_has_the_number_of_its_line(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 40)

    pipeline.run(b'sku,name\nA,Lamp\nB,Desk\nC,Chair\nD,"Door\nof oak"\nE,Shelf\nF,"6"" nail"\nG,Bench\n')

    found = pipeline.sql("select sku, line_of(version) as line from product order by sku")
    assert [(row["sku"], row["line"]) for row in found] == list(zip("ABCDEFG", (2, 3, 4, 5, 7, 8, 9), strict=True))
