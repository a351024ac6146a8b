"""The row rules. A file gives the same rows however it is cut."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.header import Header, read_header
from chalicelib.csvfile.rows import RejectedRow, Row, oversized_row, read_rows
from chalicelib.limits import (
    DESCRIPTION_BYTES_MAX,
    KIB,
    MIB,
    NAME_CHARACTERS_MAX,
    OVERSIZED_ROW_BYTES_STORED,
    RECORD_BYTES_MAX,
    SKU_CHARACTERS_MAX,
)
from tests.support.csv_oracle import judged, records

HEADER = read_header(b"sku,name,description,active\n", is_whole=True)
NARROW = read_header(b"name,sku\n", is_whole=True)

FRAGMENTS = (
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b" ", b"\0", b"\xff", b"\xe2\x82", "é😀".encode(), b"\xef\xbb\xbf",
    b'"\n', b'",', b',"', b'","', b'\n"', b'"\r\n', b'6" nail', b'"x"y', b'a"a,"\n', b"\n\n", b",,,\n", b"yes",
    b"\xc2\x85", b"a,b,c,1\n", b"a,b,,\n", b'"a","b\nb","c""","no"\r\n', b"a,b,c,1,\n", b"a,b,c,,x\n", b"a,b\n",
    b"aaaaaaaaaaaaaaaa",
)  # fmt: skip
hostile_files = st.lists(st.sampled_from(FRAGMENTS), max_size=50).map(b"".join)
record_caps = st.sampled_from((8, 16, 64, 1000))


@dataclass
class Rows:
    """The outcomes of the rows of a file."""

    accepted: list[Row] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)


def read(
    data: bytes,
    header: Header = HEADER,
    first_line: int = 2,
    cap: int = RECORD_BYTES_MAX,
    *,
    regular: bool = False,
) -> Rows:
    rows = Rows()
    rows.accepted += read_rows(data, header, first_line, rows.rejected.append, regular=regular, record_bytes_max=cap)
    return rows


def accepted(data: bytes, header: Header = HEADER) -> list[Row]:
    rows = read(data, header)
    assert rows.rejected == []
    return rows.accepted


def rejected(data: bytes, header: Header = HEADER) -> RejectedRow:
    """Returns the only row of `data`, which is rejected."""
    rows = read(data, header)
    assert rows.accepted == []
    (row,) = rows.rejected
    return row


def read_in_chunks(data: bytes, header: Header, *, chunk: int, block: int, cap: int) -> Rows:
    """Does what the pipeline does: the splitter cuts the file, then each chunk is read separately."""
    splitter = Splitter(header.delimiter, 0, 2, chunk, record_bytes_max=cap)
    chunks: list[Chunk] = []
    for at in range(0, len(data), block):
        chunks += splitter.feed(data[at : at + block])
    chunks += splitter.finish()
    rows = Rows()
    for part in chunks:
        if part.oversized:
            rows.rejected.append(oversized_row(data[part.start : part.end], part.first_line))
            continue
        piece = read(data[part.start : part.end], header, part.first_line, cap, regular=part.regular)
        rows.accepted.extend(piece.accepted)
        rows.rejected.extend(piece.rejected)
    return rows


@settings(max_examples=1000, deadline=None)
@given(data=hostile_files, cap=record_caps)
@example(data=b'a"a,"\na"a,"\n"x"\na,b,c,1', cap=1000)
def test_rows_are_the_records_csv_reader_sees(data: bytes, cap: int) -> None:
    rows = read(data, cap=cap)
    products, rejections = judged(records(data, cap, first_line=2), HEADER)
    assert rows.accepted == products
    assert [(row.line, row.code, row.raw) for row in rows.rejected] == rejections


@settings(max_examples=500, deadline=None)
@given(
    data=hostile_files,
    cap=record_caps,
    chunk=st.sampled_from((1, 7, 64, 1000, MIB)),
    block=st.sampled_from((1, 3, 64, 1000)),
)
@example(data=b'"\r""\r\n\na,b,c,1\n"', cap=8, chunk=7, block=3)
def test_rows_do_not_depend_on_how_the_file_was_cut(data: bytes, cap: int, chunk: int, block: int) -> None:
    whole = read(data, cap=cap)
    assert read_in_chunks(data, HEADER, chunk=chunk, block=block, cap=cap) == whole


def test_a_well_formed_file_reads_as_csv_reads_it() -> None:
    rows = [[f"sku {n}", f"name, {n}", f'line "one"\r\nline\n{n}\r', "yes"] for n in range(500)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    data = text.getvalue().encode()
    expected = [(sku, name, description, True) for sku, name, description, _ in rows]
    assert [row[1:] for row in accepted(data)] == expected
    in_chunks = read_in_chunks(data, HEADER, chunk=100, block=64, cap=1000)
    assert [row[1:] for row in in_chunks.accepted] == expected


def test_other_delimiters_are_supported() -> None:
    header = read_header(b"sku;name;description\n", is_whole=True)
    assert accepted(b's;"n;m";1,5\n', header) == [Row(2, "s", "n;m", "1,5", None)]


def test_the_line_of_a_row_is_its_first_physical_line() -> None:
    data = b'a,a,"x\ny\r\nz",\n\nb,b,,\rc,c,,\r\n ,\td,,\nd,d,,'
    rows = read(data)
    assert [(row.line, row.sku) for row in rows.accepted] == [(2, "a"), (6, "b"), (7, "c"), (9, "d")]
    assert [(row.line, row.code) for row in rows.rejected] == [(8, "sku_missing")]


def test_sku_and_name_are_trimmed_and_the_description_is_not() -> None:
    assert accepted(" a\u00a0,\tb , c ,\n".encode()) == [Row(2, "a", "b", " c ", None)]


def test_columns_the_file_does_not_have_keep_the_stored_value() -> None:
    assert accepted(b"n,s\n", NARROW) == [Row(2, "s", "n", None, None)]


def test_an_empty_description_is_a_value_and_an_empty_active_is_none() -> None:
    assert accepted(b"s,n,, \n") == [Row(2, "s", "n", "", None)]


@pytest.mark.parametrize("value", ["true", "TRUE", " True ", "yes", "Y", "1", "t", "on", "Active"])
def test_every_spelling_of_active(value: str) -> None:
    assert accepted(f"s,n,d,{value}\n".encode())[0].active is True


@pytest.mark.parametrize("value", ["false", "FALSE", "no", "N", "0", " 0", "f", "off", "InActive"])
def test_every_spelling_of_inactive(value: str) -> None:
    assert accepted(f"s,n,d,{value}\n".encode())[0].active is False


def test_an_invalid_active_value_is_quoted_in_short() -> None:
    row = rejected(b"s,n,d," + b"maybe" * 100 + b"\n")
    assert (row.column, row.code) == ("active", "active_invalid")
    assert "“maybemaybe" in row.message
    assert len(row.message) < 200


@pytest.mark.parametrize(
    "blank", [b"\n", b"\r\n", b"\r", b" \n", b",,,\n", b" , ,\t,\n", b",,,,,,,\n", b",\n", b'""\n']
)
def test_blank_rows_do_not_count(blank: bytes) -> None:
    assert accepted(blank + b"s,n,d,1\n" + blank)[0].sku == "s"


def test_trailing_empty_cells_beyond_the_header_are_accepted() -> None:
    assert accepted(b"s,n,d,1,,\n") == [Row(2, "s", "n", "d", True)]


@pytest.mark.parametrize(
    ("data", "column", "code"),
    [
        (b"s,n\n", None, "too_few_fields"),
        (b"s,n,d,1,x\n", None, "too_many_fields"),
        (b" ,n,d,1\n", "sku", "sku_missing"),
        ("\u200b \ufeff,n,d,1\n".encode(), "sku", "sku_missing"),
        (b"s,,d,1\n", "name", "name_missing"),
        (b"s" * (SKU_CHARACTERS_MAX + 1) + b",n,d,1\n", "sku", "sku_too_long"),
        (b"s," + b"n" * (NAME_CHARACTERS_MAX + 1) + b",d,1\n", "name", "name_too_long"),
        (b"s,n," + b"d" * (DESCRIPTION_BYTES_MAX + 1) + b",1\n", "description", "description_too_long"),
        (b"s,n," + "é".encode() * (DESCRIPTION_BYTES_MAX // 2) + b"d,\n", "description", "description_too_long"),
        (b"s,n\0,d,1\n", "name", "nul_character"),
        (b"s,n,d\0,1\n", "description", "nul_character"),
        (b"s,n,d,1\0\n", "active", "nul_character"),
        (b"s,\xff,d,1\n", "name", "invalid_utf8"),
        (b"s,n,\xed\xa0\x80,1\n", "description", "invalid_utf8"),
        (b"s,n,d,1,\xff\n", None, "invalid_utf8"),
        (b's,n,"d,1\n', None, "quote_unclosed"),
        (b"s,n," + b"d" * RECORD_BYTES_MAX + b",1\n", None, "row_too_long"),
    ],
)
def test_what_is_rejected_and_why(data: bytes, column: str | None, code: str) -> None:
    row = rejected(data)
    assert (row.line, row.column, row.code) == (2, column, code)
    assert row.message.endswith(".")
    assert row.raw == data[:OVERSIZED_ROW_BYTES_STORED] if code == "row_too_long" else data.rstrip(b"\n")


def test_values_may_be_exactly_as_long_as_the_limits() -> None:
    sku, name = "é" * SKU_CHARACTERS_MAX, "😀" * NAME_CHARACTERS_MAX
    description = "é" * (DESCRIPTION_BYTES_MAX // 2)
    data = f" {sku} , {name} ,{description},\n".encode()
    assert accepted(data) == [Row(2, sku, name, description, None)]


def test_messages_give_the_number_of_fields() -> None:
    message = rejected(b"s,n,d,1,x\n").message
    assert "5 fields" in message
    assert "4" in message


def test_bytes_that_are_not_utf8_reject_only_their_own_rows() -> None:
    rows = read(b"a,\xc3\xa9,,\nb,\xff,,\nc,c,,\n")
    assert [row.sku for row in rows.accepted] == ["a", "c"]
    assert [(row.line, row.raw) for row in rows.rejected] == [(3, b"b,\xff,,")]


def test_an_ignored_column_may_contain_nul_but_must_be_text() -> None:
    header = read_header(b"sku,extra,name\n", is_whole=True)
    assert accepted(b"s,\0,n\n", header)[0].sku == "s"
    row = rejected(b"s,\xff,n\n", header)
    assert (row.column, row.code) == ("extra", "invalid_utf8")


def test_rows_after_a_forgotten_quote_are_read() -> None:
    rows = read(b'a,a,,\nb,"b,,\nc,c,,\nd,d"d,"\ne,e,,')
    assert [(row.line, row.sku) for row in rows.accepted] == [(2, "a"), (4, "c"), (6, "e")]
    assert [(row.line, row.code, row.raw) for row in rows.rejected] == [
        (3, "quote_unclosed", b'b,"b,,'),
        (5, "quote_unclosed", b'd,d"d,"'),
    ]


def test_an_oversized_row_keeps_only_its_beginning_and_says_so() -> None:
    row = oversized_row(b"x" * (2 * KIB), 7)
    assert (row.line, row.code) == (7, "row_too_long")
    assert len(row.raw) == OVERSIZED_ROW_BYTES_STORED
    assert f"{OVERSIZED_ROW_BYTES_STORED:,}" in row.message


def test_a_chunk_full_of_forgotten_quotes_costs_linear_time() -> None:
    data = b'a"a,"\n' * 40_000
    began = time.process_time()
    assert len(read(data).rejected) == 40_000
    assert time.process_time() - began < 5
