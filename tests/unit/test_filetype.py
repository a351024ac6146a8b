"""Files that are no CSV are refused by what they are; every CSV is let through."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile

import pytest

from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.errors import UnreadableFile
from chalicelib.limits import FILE_HEAD_BYTES


def zipped(*names: str, content: bytes = b"content") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("products.csv"))
    return buffer.getvalue()


def database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE products (sku text)")
        return connection.serialize()


FILES = {
    "xlsx": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "ods": zipped("mimetype", content=b"application/vnd.oasis.opendocument.spreadsheet"),
    "numbers": zipped("Index/Document.iwa", "Index/Tables/DataList.iwa"),
    "document": zipped("[Content_Types].xml", "word/document.xml"),
    "pdf": b"%PDF-1.7\n",
    "image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "media": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "html": b"\n<!DOCTYPE html>\n<html><title>Log in</title>",
    "xml": b'\xef\xbb\xbf<?xml version="1.0"?><products/>',
    "json": b'[\n  {"sku": "1"}]',
    "sqlite": database(),
    "parquet": b"PAR1\x15\x04\x15",
    "orc": b"ORC\x08\x03\x10",
    "arrow": b"ARROW1\0\0\xff",
    "avro": b"Obj\x01\x04\x14avro.codec",
    "program": b"\x7fELF\x02\x01",
    "zip": zipped("products.csv", content=b"sku,name\n"),
    "tar": tarred(),
    "rar": b"Rar!\x1a\x07\x01\x00",
    "7z": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "bzip2": bz2.compress(b"sku,name\n"),
    "xz": lzma.compress(b"sku,name\n"),
    "zstd": b"\x28\xb5\x2f\xfd\x24\x09",
    "lz4": b"\x04\x22\x4d\x18\x64\x40",
}


@pytest.mark.parametrize(("kind", "content"), FILES.items(), ids=FILES)
def test_a_file_of_another_kind_is_refused_with_a_remedy(kind: str, content: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"^This is .+, not a CSV file\. .+\.$") as refusal:
        refuse_non_csv(content[:FILE_HEAD_BYTES])
    assert refusal.value.code == f"file_is_{kind}"


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0\0\x10JFIF", b"GIF89a\x01\0", b"GIF87a\x01\0", b"II*\0", b"MM\0*"]
)
def test_images_of_every_kind(content: bytes) -> None:
    with pytest.raises(UnreadableFile) as refusal:
        refuse_non_csv(content)
    assert refusal.value.code == "file_is_image"


def test_an_excel_workbook_is_told_how_to_become_a_csv_file() -> None:
    with pytest.raises(UnreadableFile, match="File → Save as → CSV UTF-8"):
        refuse_non_csv(FILES["xlsx"])


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(UnreadableFile) as refusal:
        refuse_non_csv(b"")
    assert refusal.value.code == "file_empty"


@pytest.mark.parametrize(
    "content",
    [
        b"sku,name\n",
        b"\xef\xbb\xbfsku;name\n",
        b"\n\n sku\tname\n",
        b'"sku","name"\n',
        b"[sku],[name]\n",
        b"{sku},{name}\n",
        b"PK,sku,name\n",
        b"BZh,name\n",
        b"Object,sku,name\n",
        b"PAR,sku,name\n",
        b"RIFF,sku,name,and,more\n",
        b"a < b,sku,name\n",
        b"sku,name\n<html>,x\n",
        "sku,name\n".encode("utf-16"),
        gzip.compress(b"sku,name\n", mtime=0),  # The name of a test is the same in every run.
        b"\0",
    ],
)
def test_what_may_be_a_csv_file_is_let_through(content: bytes) -> None:
    refuse_non_csv(content)
