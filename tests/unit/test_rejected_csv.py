"""The CSV of rejected rows. Imported unchanged, it adds no product, and the same rows are rejected again."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import DELIMITERS, Header, read_header
from chalicelib.csvfile.rows import RejectedRow, oversized_row, read_rows
from chalicelib.importing.rejected_rows import StoredRejection, csv_blocks
from chalicelib.limits import KIB, RECORD_BYTES_MAX, REJECTED_ROWS_STORED_MAX
from tests.support.csv_oracle import Rejection, judged, records

CAP = 3 * KIB
"""Long enough for the reason of every row, and for the beginning of a row in it."""
COLUMNS = (
    ("sku", "name"),
    ("sku", "name", "description", "active"),
    ("name", "price", "sku", "description", "stock", "weight"),
    ("active", "x\ny", "name", "sku"),
)
HEADERS = [
    read_header(
        _delimiter.join(f'"{name}"' if "\n" in name else name for name in names).encode() + b"\n", is_whole=True
    )
    for names in COLUMNS
    for _delimiter in DELIMITERS
]
FRAGMENTS = (
    "{0}", "\n", "\r\n", "\r", '"', '""', '{0}"', '"{0}', '"\n', "a", " ", "=b", "\0", "é😀", "6\" nail", '"x"y',
    "s{0}n{0}", "s{0}n\n", "s{0}n{0}d{0}yes\n", "s{0}n{0}d{0}maybe\n", "{0}n{0}{0}\n", '"s"{0}"a\nb"{0}\n', "s{0}\"n\n",
    "a{0}n{0}{0}{0}{0}{0}\n", "s{0}n{0}{0}{0}{0}{0}\n", "s{0}n{0}{0}{0}{0}{0}x\n",
)  # fmt: skip
LONG = st.builds(
    lambda text, times: text * times, st.sampled_from(["d", "é", '""', "\n", "d{0}"]), st.integers(1, CAP // 2)
)
texts = st.lists(st.sampled_from(FRAGMENTS) | LONG, max_size=12).map("".join)
broken_bytes = st.sampled_from([b"", b"\xff", b"\xe2\x82"])


def stored(row: RejectedRow) -> StoredRejection:
    return StoredRejection(row.line, row.column, row.code, row.message, row.raw)


def rejected_from(data: bytes, header: Header, cap: int = RECORD_BYTES_MAX) -> list[StoredRejection]:
    """Returns what an import stores of the rows in `data`."""
    rejected: list[RejectedRow] = []
    list(read_rows(data, header, header.lines + 1, rejected.append, record_bytes_max=cap))
    return [stored(row) for row in rejected]


def csv_of(header: Header, rows: Iterable[StoredRejection], cap: int = RECORD_BYTES_MAX, *, unstored: int = 0) -> bytes:
    return b"".join(csv_blocks(header, rows, unstored=unstored, record_bytes_max=cap))


def imported(content: bytes, header: Header, cap: int = RECORD_BYTES_MAX) -> list[Rejection]:
    """Returns the rejections when a CSV of rejected rows is imported, as the reference sees it: it has no product."""
    refuse_non_csv(content)
    again = read_header(content, is_whole=True)
    assert again.delimiter == header.delimiter
    assert again.names == ("rejected_line", "rejected_because", *header.names)
    found = records(content[again.end :], cap, again.delimiter, again.lines + 1)
    products, rejections = judged(found, again)
    assert products == []
    return rejections


def cells_of(content: bytes, header: Header) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=header.delimiter))


@settings(max_examples=300, deadline=None)
@given(header=st.sampled_from(HEADERS), text=texts, broken=broken_bytes)
@example(header=HEADERS[1], text='A;"x\na 6" b;"\nC;z;d;x;x\n', broken=b"")
@example(header=HEADERS[4], text="A,Hammer," + CAP * "d", broken=b"")
@example(header=HEADERS[1], text='"{0}{0}', broken=b"")
def test_imported_unchanged_it_adds_no_product_and_rejects_the_same_rows(
    header: Header, text: str, broken: bytes
) -> None:
    data = text.replace("{0}", header.delimiter).encode().replace(b"\0\n", broken + b"\n")
    rows = rejected_from(data, header, CAP)
    content = csv_of(header, rows, CAP)
    again = imported(content, header, CAP)
    assert len(again) == len(rows)
    for row, (_, code, raw) in zip(rows, again, strict=True):
        assert raw.startswith(f'{row.line}{header.delimiter}"'.encode())
        if raw.endswith(f'"{header.delimiter}'.encode() + row.raw):
            assert code == row.code
        else:
            assert (code, raw.endswith(header.delimiter.encode() * header.width)) == ("sku_missing", True)
            assert row.code in {"row_too_long", "quote_unclosed"} or len(row.raw) > CAP - KIB


@settings(max_examples=200, deadline=None)
@given(header=st.sampled_from(HEADERS), text=texts)
@example(header=HEADERS[1], text='A;"x\na 6" b;"\n')
def test_no_rejected_row_changes_a_fixed_row_after_it(header: Header, text: str) -> None:
    """An open quote would swallow it."""
    rows = rejected_from(text.replace("{0}", header.delimiter).encode(), header, CAP)
    fixed = ["A fixed row", *("x" if name in {"sku", "name"} else "" for name in header.names)]
    content = csv_of(header, rows, CAP) + header.delimiter.join(["", *fixed]).encode() + b"\r\n"
    again = read_header(content, is_whole=True)
    products, rejections = judged(records(content[again.end :], CAP, again.delimiter, again.lines + 1), again)
    assert [product[1:3] for product in products] == [("x", "x")]
    assert len(rejections) == len(rows)


def test_a_row_that_was_cut_has_only_its_line_and_how_to_complete_it() -> None:
    row = stored(oversized_row(b'A,Hammer,"=a' + b" long text" * KIB, 7))
    assert row.raw_is_cut
    (_, cells) = cells_of(csv_of(HEADERS[4], [row]), HEADERS[4])
    assert (cells[0], cells[2:]) == ("7", ["", "", "", ""])
    assert cells[1].startswith(row.message)
    assert 'line 7 of the imported file. That line begins: A,Hammer,"=a long text long' in cells[1]


def test_a_row_with_an_unclosed_quote_cannot_be_closed_by_a_spreadsheet_program() -> None:
    """These programs save every quote closed."""
    rows = rejected_from(b'A,"Hammer\nB 6" saw,"\nC,D\n', HEADERS[0])
    assert [(row.line, row.code, row.raw_is_cut) for row in rows] == [
        (2, "quote_unclosed", False),
        (3, "quote_unclosed", False),
    ]
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(cells_of(csv_of(HEADERS[0], rows), HEADERS[0]))
    assert [code for _, code, _ in imported(out.getvalue().encode(), HEADERS[0])] == ["sku_missing"] * 2


@pytest.mark.parametrize("extra", [0, 1])
def test_a_row_keeps_its_columns_while_it_fits_into_a_record_with_the_two_in_front(extra: int) -> None:
    header = HEADERS[4]
    (short,) = rejected_from(b"A,,d,\n", header)
    around = len(csv_of(header, [short])) - len(csv_of(header, []))
    (row,) = rejected_from(b"A,," + b"d" * (RECORD_BYTES_MAX - around + 1 + extra) + b",\n", header)
    content = csv_of(header, [row])
    ((line, code, raw),) = imported(content, header)
    assert (line, code) == (2, "sku_missing" if extra else "name_missing")
    assert raw.endswith(b"," * 4 if extra else row.raw)
    products: list[object] = list(read_rows(content[content.index(b"\n") + 1 :], header, 2, lambda _: None))
    assert products == []


def test_the_row_that_was_as_long_as_a_record_may_be_is_never_cut_silently() -> None:
    data = b'A,,"' + b"\nS,n,d,1" * (RECORD_BYTES_MAX // 8 - 1) + b'",\n'
    assert RECORD_BYTES_MAX - 8 < len(data) <= RECORD_BYTES_MAX
    rows = rejected_from(data, HEADERS[4])
    assert [(row.line, row.code, len(row.raw)) for row in rows] == [(2, "name_missing", len(data) - 1)]
    assert [code for _, code, _ in imported(csv_of(HEADERS[4], rows), HEADERS[4])] == ["sku_missing"]


def test_it_says_how_many_rejected_rows_it_lacks() -> None:
    rows = rejected_from(b"A,\n", HEADERS[0])
    content = csv_of(HEADERS[0], rows, unstored=12_345)
    _, note, row = cells_of(content, HEADERS[0])
    assert (note[0], note[2:], row[2:]) == ("", ["", ""], ["A", ""])
    assert "12,345 more rows" in note[1]
    assert f"{REJECTED_ROWS_STORED_MAX:,}" in note[1]
    assert [code for _, code, _ in imported(content, HEADERS[0])] == ["sku_missing", "name_missing"]


def test_a_copy_in_utf8_begins_with_its_mark_so_that_no_declared_encoding_changes_it() -> None:
    assert next(csv_blocks(HEADERS[0], [], is_rewritten=True)).startswith(codecs.BOM_UTF8 + b"rejected_line,")
    assert next(csv_blocks(HEADERS[0], [])).startswith(b"rejected_line,")
