"""No text makes a pattern or a parser take more than linear time: long texts that are nearly matches.

Quadratic work would take minutes. Others are next to what they test: test_boundaries.py, test_rows.py,
test_redaction.py and test_etags.py.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from chalice.app import Request

from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import read_header
from chalicelib.csvfile.rows import read_rows
from chalicelib.csvfile.transcode import ENCODINGS, Encoding, utf8_blocks
from chalicelib.errors import ImporterError
from chalicelib.importing import plain_copy
from chalicelib.limits import CHUNK_BYTES, HEADER_BYTES_MAX, MIB
from chalicelib.webhooks.outbound import urls
from functions.api import request_parsing
from functions.api.paging import checked, text, whole_number

LONG = 200_000
SECONDS_MAX = 4.0
"""Of CPU time. Linear work takes a tenth of it."""


def takes_linear_time(call: Callable[..., Any], *arguments: Any) -> None:
    began = time.process_time()
    with suppress(ImporterError):
        call(*arguments)
    assert time.process_time() - began < SECONDS_MAX


@pytest.mark.parametrize(
    "unit",
    ["a", ".", "-", "a.", "xn--", "[", ":", "1", "1.", "0x", "@", "%", "//", "\\", " ", "ü", "ß.", "ﬁ", "\u0301"],
)
@pytest.mark.parametrize("form", ["{}", "http://{}", "https://{}:1/", "https://a/{}", "https://[{}]/"])
def test_urls(unit: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "URL_CHARACTERS_MAX", 2 * LONG)
    takes_linear_time(lambda: urls.parse(form.format(unit * (20_000 // len(unit)))))


@pytest.mark.parametrize(
    "unit", ["a", '"', '""', ",", "a,b,", '"a",', 'a,b,"""",\n', "a,b,c\n", " ", "\n", 'a"', '"\n']
)
@pytest.mark.parametrize("end", ["", '"', "\0", "\n"])
def test_plain_rows(unit: str, end: str) -> None:
    header = read_header(b"sku,name,description,active\n", is_whole=True)
    for begin in ("", "A,Lamp,", 'A,Lamp,"', 'A,"'):
        data = (begin + unit * (CHUNK_BYTES // len(unit)) + end).encode()
        takes_linear_time(plain_copy.read, data, header, 2)


@pytest.mark.parametrize("unit", ["a", " ", "\t", "!", "\x7f", "ü", ":"])
def test_headers_of_webhooks(unit: str) -> None:
    takes_linear_time(lambda: urls.check_headers({"x": unit * LONG}))
    takes_linear_time(lambda: urls.check_headers({unit * LONG: "x"}))


@pytest.mark.parametrize("unit", ["charset", "charset=", "charset ", "charset = ", "charset='", ";", "c", " ", '"'])
def test_media_types(unit: str) -> None:
    media_type = "application/json;" + unit * (LONG // len(unit))
    request = cast(Request, type("FakeRequest", (), {"headers": {"content-type": media_type}}))
    takes_linear_time(lambda: request_parsing._refuse_other_types(request))


@pytest.mark.parametrize("unit", ["9", "٣", "\ud800", "\0", "-", " "])
@pytest.mark.parametrize("parse", [whole_number, text])
def test_keys_of_cursors(unit: str, parse: Callable[[str], Any]) -> None:
    takes_linear_time(lambda: checked(unit * LONG, parse))


HEADS = {
    "the beginning of archives": b"PK\x03\x04",
    "spaces before a page": b" \t\r\n",
    "comments of a page": b"<!--",
    "tags that are none": b"<",
    "an XML declaration": b"<?xml ",
    "brackets": b'{"',
    "RIFF": b"RIFF",
    "zeros": b"\0",
    "a tar's name": b"ustar",
    "quotes": b'"',
    "line ends": b"\r\n",
}


@pytest.mark.parametrize("unit", HEADS.values(), ids=HEADS)
def test_types_of_files(unit: bytes) -> None:
    takes_linear_time(lambda: refuse_non_csv(unit * (LONG // len(unit))))


HEADERS = {
    "one name": b"x",
    "names": b"a,",
    "separators": b",;|\t",
    "open quotes": b'"a',
    "doubled quotes": b'""',
    "quoted names": b'"a",',
    "quoted line ends": b'"\n',
    "blank lines": b" \r\n",
    "lines": b"a\n",
    "letters of four bytes": "\U0001f528".encode(),
    "bytes that are not UTF-8": b"\xff",
    "NUL": b"\0",
}


@pytest.mark.parametrize("unit", HEADERS.values(), ids=HEADERS)
def test_headers_of_files(unit: bytes) -> None:
    head = b"sku,name," + unit * (HEADER_BYTES_MAX // len(unit))
    takes_linear_time(lambda: read_header(head[:HEADER_BYTES_MAX], is_whole=True))


CHUNKS = {
    "empty cells": b",,\n",
    "many cells": b"," * 9_000 + b"\n",
    "one-letter rows": b"a\n",
    "rows without a name": b"a,\n",
    "open quotes": b'a"a,"\n',
    "one open quote": b'"',
    "quotes": b'"""",""""\n',
    "doubled quotes": b'a,"' + b'""' * 30_000 + b'"\n',
    "quoted line ends": b'"a\nb","c\r\nd"\n',
    "lone CR": b"a,b\r",
    "CR and LF": b"a,b\r\n\r",
    "letters of four bytes": "\U0001f528,\U0001f528\n".encode(),
    "letters that grow when they are folded": "İ,ΐ\n".encode(),
    "accents": ("a" + "\u0301" * 60 + ",b\n").encode(),
    "bytes that are not UTF-8": b"a,\xff\n",
    "NUL": b"a,\0\n",
    "backslashes": b"\\N,\\.\n",
    "long names": b"a," + b"x" * 300 + b"\n",
    "long descriptions": b"a,b," + b"x" * 70_000 + b"\n",
    "wrong switches": b"a,b,c,maybe\n",
    "white space": b" \t,\x0b \n",
}
"""A row that is rejected keeps its bytes and a message."""
PART_BYTES = CHUNK_BYTES // 64
MEMORY_PER_BYTE_MAX = 250


@pytest.mark.slow
@pytest.mark.parametrize("unit", CHUNKS.values(), ids=CHUNKS)
def test_chunks(unit: bytes) -> None:
    header = read_header(b"sku,name,description,active\n", is_whole=True)
    data = unit * (PART_BYTES // len(unit) + 1)
    kept: list[Any] = []
    tracemalloc.start()
    try:
        kept.extend(read_rows(data, header, 2, kept.append))
        assert tracemalloc.get_traced_memory()[1] < MEMORY_PER_BYTE_MAX * len(data) + MIB
    finally:
        tracemalloc.stop()
    takes_linear_time(lambda: list(read_rows(data * 4, header, 2, kept.append)))


@pytest.mark.parametrize("charset", sorted({*ENCODINGS.values()}))
def test_transcoding(charset: str) -> None:
    for unit in (b"\xff", b"+AAA-", b"\x1b$B", b"~{", b"\x81\x30", b"\x00"):
        blocks = [unit * (LONG // len(unit))] * 2
        takes_linear_time(recoded, blocks, charset)


def recoded(blocks: list[bytes], charset: str) -> list[bytes]:
    return list(utf8_blocks(blocks, Encoding(gzip=False, charset=charset)))
