"""The header: delimiter, columns, where data begins, and the reasons to refuse a whole file."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.csvfile.header import REJECTED_BECAUSE, REJECTED_LINE, Header, read_header, shortened
from chalicelib.errors import UnreadableFile
from chalicelib.limits import COLUMNS_MAX, COLUMNS_SHOWN_MAX, HEADER_BYTES_MAX, VALUE_CHARACTERS_SHOWN_MAX


def read(text: str | bytes) -> Header:
    return read_header(text.encode() if isinstance(text, str) else text, is_whole=True)


def refusal(head: str | bytes, *, is_whole: bool = True) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read_header(head.encode() if isinstance(head, str) else head, is_whole=is_whole)
    return caught.value


def test_the_plain_case() -> None:
    assert read("name,sku,description\r\nn,s,d\r\n") == Header(
        delimiter=",",
        names=("name", "sku", "description"),
        sku=1,
        name=0,
        description=2,
        active=None,
        width=3,
        end=22,
        lines=1,
        raw="name,sku,description",
        warnings=(),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_yields_the_columns(delimiter: str) -> None:
    header = read(delimiter.join(("sku", "name", '"size, colour; shape|\t"')) + "\n")
    assert (header.delimiter, header.sku, header.name, header.width) == (delimiter, 0, 1, 3)


def test_a_delimiter_that_yields_the_required_columns_beats_one_that_yields_more_columns() -> None:
    assert read("sku;name;a,b,c,d,e,f\n").delimiter == ";"


def test_where_two_delimiters_yield_the_columns_the_one_with_more_columns_wins() -> None:
    assert read("sku,name,x;sku;name;y\n").delimiter == ";"
    assert read("sku;name;x,sku,name,y\n").delimiter == ","


@pytest.mark.parametrize(
    "names",
    ["SKU,NAME", " Sku , Name ", '"sku","name"', "product sku,product_name", "Item-SKU,Title", "PRODUCT CODE,name"],
)
def test_names_in_any_case_trimmed_quoted_or_by_alias(names: str) -> None:
    header = read(names + "\n")
    assert (header.sku, header.name) == (0, 1)
    assert header.warnings == ()


@pytest.mark.parametrize("name", ["active", "enabled", "is_active", "Is Active", "is-active"])
def test_names_of_the_active_column(name: str) -> None:
    assert read(f"sku,name,{name}\n").active == 2


def test_the_exact_name_beats_an_alias_which_is_then_ignored() -> None:
    header = read("title,name,product code,sku\n")
    assert (header.name, header.sku) == (1, 3)
    assert header.warnings == ("Unknown columns were ignored: “title”, “product code”.",)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("sku,name,Sku", ("“sku”", "“Sku”")),
        ("sku,title,product name", ("“title”", "“product name”")),
        ("sku,name,description,Description", ("“Description”",)),
        ("sku,name,enabled,is active", ("“enabled”",)),
    ],
)
def test_a_doubled_column_is_refused_by_its_names(names: str, found: tuple[str, ...]) -> None:
    error = refusal(names + "\n")
    assert error.code == "column_doubled"
    assert all(name in error.message for name in found)


@pytest.mark.parametrize(("names", "missing"), [("sku,price", "no name"), ("name,price", "no sku"), ("a,b", "neither")])
def test_a_missing_column_is_refused_with_the_names_found(names: str, missing: str) -> None:
    error = refusal(names + "\n")
    assert error.code == "column_missing"
    assert missing in error.message
    assert f"“{names.split(',')[1]}”" in error.message


def test_unknown_columns_are_named_but_not_all_of_many() -> None:
    header = read("sku,name," + ",".join(f"extra {n}" for n in range(COLUMNS_SHOWN_MAX + 5)) + "\n")
    (warning,) = header.warnings
    assert "“extra 0”" in warning
    assert f"extra {COLUMNS_SHOWN_MAX}" not in warning
    assert "and 5 more" in warning


def test_our_own_columns_and_nameless_ones_are_ignored_silently() -> None:
    assert read(f"{REJECTED_LINE},{REJECTED_BECAUSE},sku,name,,\n").warnings == ()


def test_a_byte_order_mark_counts_into_the_offset_only() -> None:
    header = read("\ufeffsku,name\ns,n\n")
    assert (header.sku, header.end, header.lines, header.raw) == (0, 12, 1, "sku,name")


def test_leading_blank_lines_are_skipped_and_counted() -> None:
    header = read("\r\n\n \n,,\nsku,name\ns,n\n")
    assert (header.end, header.lines, header.raw) == (17, 5, "sku,name")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", ""])
def test_a_header_only_is_a_file_without_rows(line_end: str) -> None:
    header = read("sku,name" + line_end)
    assert (header.end, header.lines) == (8 + len(line_end), 1)


def test_a_name_may_contain_line_breaks() -> None:
    header = read('sku,name,"a\r\nb\n""c"""\nrow')
    assert header.names == ("sku", "name", 'a\r\nb\n"c"')
    assert (header.lines, header.raw) == (3, 'sku,name,"a\r\nb\n""c"""')


def test_only_the_header_itself_must_be_text() -> None:
    assert read(b"sku,name\n\xff\0,\n").end == 9
    assert refusal(b"sku,name,\xff\n").code == "header_not_utf8"
    assert refusal("sku,name\n".encode("utf-16-le")).code == "header_nul"


@pytest.mark.parametrize("blank", [b"", b"\xef\xbb\xbf", b"\n\r\n \t\n", b",,,\n"])
def test_a_file_of_nothing_has_no_header(blank: bytes) -> None:
    assert refusal(blank).code == "header_missing"


def test_a_header_that_is_cut_off_is_too_long() -> None:
    for head in (b"sku,name", b"sku,name\r", b'sku,"name\n', b"x" * HEADER_BYTES_MAX):
        assert refusal(head, is_whole=False).code == "header_too_long"
    assert read_header(b"sku,name\n", is_whole=False).end == 9
    assert read_header(b"sku,name\rx\n", is_whole=False).end == 9


def test_a_quote_in_the_header_that_never_closes_is_named() -> None:
    assert refusal('"sku,name\ns,n\n').code == "header_unclosed"
    assert refusal('sku,name,"extra\ns,n,x\n').code == "header_unclosed"


def test_as_many_columns_as_allowed_and_no_more() -> None:
    assert read("sku,name" + ",x" * (COLUMNS_MAX - 2)).width == COLUMNS_MAX
    assert refusal("sku,name" + ",x" * (COLUMNS_MAX - 1)).code == "too_many_columns"


def test_a_very_long_name_is_read() -> None:
    assert len(read('sku,name,"' + "x" * 200_000 + '"\n').names[2]) == 200_000


def test_it_survives_json() -> None:
    for text in ("sku,name,extra\n", "\ufeffactive;description;sku;name;é\r\n"):
        header = read(text)
        assert Header.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_values_are_shortened_to_one_line() -> None:
    assert shortened("a\n b") == "a b"
    assert shortened("x" * VALUE_CHARACTERS_SHOWN_MAX) == "x" * VALUE_CHARACTERS_SHOWN_MAX
    assert shortened("x" * 1000) == "x" * VALUE_CHARACTERS_SHOWN_MAX + "…"


@settings(max_examples=300, deadline=None)
@given(
    extra=st.lists(st.text(st.sampled_from('ab",;\r\n é'), max_size=6), max_size=4),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(("\n", "\r\n", "\r")),
    rest=st.text(st.sampled_from('ab",\r\n é'), max_size=10).filter(lambda rest: not rest.startswith("\n")),
)
def test_data_begins_where_csv_reader_ends_the_first_record(
    extra: list[str], delimiter: str, line_end: str, rest: str
) -> None:
    text = io.StringIO()
    names = ["sku", "name", *(f"x{name}" for name in extra)]
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerow(names)
    header = read(text.getvalue() + rest)
    assert header.names == tuple(names)
    assert header.end == len(text.getvalue().encode())
    assert header.raw == text.getvalue().removesuffix(line_end)
    assert header.lines == sum(1 for _ in io.StringIO(text.getvalue(), newline=""))
