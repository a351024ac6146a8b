"""The preview in the browser and the importer agree on a file: both read the same bytes."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page

from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.csvfile.header import Header, read_header
from chalicelib.errors import UnreadableFile
from tests.browser.conftest import Shop

READ = """async ([bytes, encoding]) => {
  const { preview } = await import("/csv-preview.js");
  return preview(Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0)), { isWhole: true, encoding });
}"""
FILES = {
    "commas": b"sku,name,description,active\r\nA,b,c,true\r\nB,c,d,no",
    "semicolons": b"name;sku\nHammer;H-1\n",
    "tabs": b"sku\tname\tprice\nA\tb\t1\n",
    "pipes and a byte order mark": b"\xef\xbb\xbfsku|name\nA|b\n",
    "aliases": b"Product-Code,ITEM  name,Enabled\nA,b,1\n",
    "an alias beside the exact name": b"title,name,sku\nx,b,A\n",
    "blank lines before the header": b"\n,,\n  \nsku,name\nA,b\n",
    "another separator inside quotes": b'sku;name;"a,b,c,d,e,f"\nA;b;c\n',
    "quoted newlines": b'sku,name,description\nA,b,"one\ntwo\r\nthree"\nB,c,d\n',
    "doubled quotes": b'sku,name\nA,"6"" nail"\nB,6" nail\nC,"x"y\n',
    "a quoted header over two lines": b'"sku","name\nof it",name\nA,b,c\n',
    "lone CR": b"sku,name\rA,b\rB,c\r",
    "no name column": b"sku,price\nA,1\n",
    "no required column": b"a,b\n1,2\n",
    "a duplicate column": b"sku,name,Name\nA,b,c\n",
    "two aliases of one field": b"sku,title,product name\nA,b,c\n",
    "header only": b"sku,name",
    "blank lines only": b"\n\n  \n",
    "empty": b"",
    "a workbook": b"PK\x03\x04" + b"\0" * 26 + b"xl/workbook.xml" + b"\0" * 100,
    "a document": b"%PDF-1.7\n",
    "a web page": b"  <!DOCTYPE html><html></html>",
    "a CSV of rejected rows": b"rejected_line,rejected_because,sku,name\n2,The SKU is empty.,,x\n",
    "unnamed columns": b"sku,,name,\nA,1,b,2\n",
}


@pytest.fixture(scope="module")
def page(browser: Browser, shop: Shop) -> Iterator[Page]:
    """One page for all tests. It only evaluates the preview module and shows nothing."""
    page = browser.new_page(base_url=shop.url)
    page.goto("/api-docs.html")
    yield page
    page.close()


def read(page: Page, content: bytes, encoding: str | None = None) -> dict[str, Any]:
    """The browser's preview of the content."""
    return cast(dict[str, Any], page.evaluate(READ, [base64.b64encode(content).decode(), encoding]))


def importer_header(content: bytes) -> Header | None:
    """The header as the importer reads it, or None when it refuses the file."""
    try:
        refuse_non_csv(content)
        return read_header(content, is_whole=True)
    except UnreadableFile:
        return None


@pytest.mark.parametrize("name", FILES)
def test_the_browser_reads_a_file_as_the_importer_does(page: Page, name: str) -> None:
    content = FILES[name]
    found = read(page, content)

    header = importer_header(content)
    assert (found["problem"] is None) == (header is not None)
    if header is None:
        return
    assert found["delimiter"] == header.delimiter
    assert [each["name"] for each in found["columns"]] == [each.strip() for each in header.names]
    taken = {each["field"]: at for at, each in enumerate(found["columns"]) if each["field"]}
    expected = {field: getattr(header, field) for field in ("sku", "name", "description", "active")}
    assert taken == {field: at for field, at in expected.items() if at is not None}
    unused = [each for each in found["columns"] if not each["field"] and each["name"]]
    assert any(not each["isRejectionInfo"] for each in unused) == bool(header.warnings)
    data = io.StringIO(content[header.end :].decode("utf-8-sig"), newline="")
    rows = [cells for cells in csv.reader(data, delimiter=header.delimiter) if any(cell.strip() for cell in cells)]
    # Line breaks inside a field are kept as they are in the file.
    assert found["rows"] == rows[:5]
    assert found["records"] == len(rows)


def test_the_encoding_is_detected_guessed_or_chosen(page: Page) -> None:
    text = "sku,name\nA,Größe\n"
    assert read(page, text.encode("utf-16"))["rows"] == [["A", "Größe"]]
    assert read(page, text.encode("utf-16"))["encoding"] == "utf-16"

    guessed = read(page, text.encode("cp1252"))
    assert (guessed["encoding"], guessed["isGuess"], guessed["rows"]) == ("windows-1252", True, [["A", "Größe"]])

    chosen = read(page, "sku,name\nA,Ğ\n".encode("cp1254"), "windows-1254")
    assert (chosen["encoding"], chosen["isGuess"], chosen["rows"]) == ("windows-1254", False, [["A", "Ğ"]])
