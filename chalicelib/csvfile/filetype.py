"""Refuses files that are no CSV by their first bytes, and says what to do instead.

People rename workbooks to .csv, or save a login page in place of a download. Without this, such a file would
fail with a puzzle about its header. Gzip is not refused: `transcode` unpacks it, and asks again about what is
inside.
"""

from __future__ import annotations

import codecs
import re

from chalicelib.errors import UnreadableFile

_EXCEL = "In Excel choose File → Save as → CSV UTF-8, then upload that."
_EXPORT = "Export the products as CSV, then upload that."
_UNPACK = "Unpack it, then upload the CSV file that is inside."

_KINDS = {
    "xlsx": ("an Excel workbook (.xlsx)", _EXCEL),
    "xls": ("an old Excel workbook (.xls) or Office document", _EXCEL),
    "ods": ("an OpenDocument spreadsheet (.ods)", "Save it as Text CSV, then upload that."),
    "numbers": ("a Numbers spreadsheet", "In Numbers choose File → Export To → CSV, then upload that."),
    "document": ("a text document or presentation", _EXPORT),
    "pdf": ("a PDF document", _EXPORT),
    "image": ("an image", _EXPORT),
    "media": ("an image, a sound or a video", _EXPORT),
    "html": ("a web page, perhaps a login or error page", _EXPORT),
    "xml": ("an XML document", _EXPORT),
    "json": ("a JSON document", _EXPORT),
    "sqlite": ("an SQLite database", _EXPORT),
    "parquet": ("a Parquet file", _EXPORT),
    "orc": ("an ORC file", _EXPORT),
    "arrow": ("an Arrow file", _EXPORT),
    "avro": ("an Avro file", _EXPORT),
    "program": ("a program", _EXPORT),
    "zip": ("a ZIP archive", _UNPACK),
    "tar": ("a tar archive", _UNPACK),
    "rar": ("a RAR archive", _UNPACK),
    "7z": ("a 7-Zip archive", _UNPACK),
    "bzip2": ("a bzip2-compressed file", _UNPACK),
    "xz": ("an xz-compressed file", _UNPACK),
    "zstd": ("a Zstandard-compressed file", _UNPACK),
    "lz4": ("an LZ4-compressed file", _UNPACK),
}
"""What a file can be instead of a CSV, by the end of its code: what to call it, and what its owner can do."""

_SIGNATURES = (
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (rb"%PDF-", "pdf"),
    (rb"\{\\rtf", "document"),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*", "image"),
    (rb"RIFF....(?:WEBP|WAVE|AVI )|....ftyp", "media"),
    (rb"SQLite format 3\x00", "sqlite"),
    (rb"PAR1", "parquet"),
    (rb"ORC[\x00-\x1f]", "orc"),
    (rb"ARROW1\x00\x00", "arrow"),
    (rb"Obj\x01", "avro"),
    (rb"\x7fELF", "program"),
    # A ZIP archive names its first members in clear text, and every office format has members of its own.
    (rb"PK\x03\x04.{0,400}?(?:\bword/|\bppt/|opendocument\.(?:text|presentation))", "document"),
    (rb"PK\x03\x04.{0,400}?opendocument\.spreadsheet", "ods"),
    (rb"PK\x03\x04.{0,4000}?Index/(?:Document|Tables)", "numbers"),
    (rb"PK\x03\x04.{0,4000}?(?:\[Content_Types\]\.xml|_rels/|xl/)", "xlsx"),
    (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "zip"),
    (rb".{257}ustar", "tar"),
    (rb"Rar!\x1a\x07", "rar"),
    (rb"7z\xbc\xaf\x27\x1c", "7z"),
    (rb"BZh[1-9]1AY&SY", "bzip2"),
    (rb"\xfd7zXZ\x00", "xz"),
    (rb"\x28\xb5\x2f\xfd", "zstd"),
    (rb"\x04\x22\x4d\x18", "lz4"),
    (rb"\s*(?i:<!doctype html|<html|<head|<body|<table|<script)", "html"),
    (rb"\s*<\?xml.{0,400}?<html", "html"),
    (rb"\s*<[?!a-zA-Z]", "xml"),
    (rb"\s*(?:\{|\[)\s*(?:[\"\{\[\]\}])", "json"),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _SIGNATURES)


def refuse_non_csv(head: bytes) -> None:
    """Raise UnreadableFile, with a remedy, when a file that begins with these bytes cannot be a CSV file.

    `head` is the first FILE_HEAD_BYTES bytes, or the whole file if it is shorter. Codes are `file_empty` and
    `file_is_…`: file_is_xlsx, file_is_pdf and so on.
    """
    if not head:
        raise UnreadableFile(
            "The file is empty. Upload a CSV file whose first line names the columns, at least sku and name.",
            code="file_empty",
        )
    text = head.removeprefix(codecs.BOM_UTF8)
    for pattern, kind in _PATTERNS:
        if pattern.match(text):
            what, remedy = _KINDS[kind]
            raise UnreadableFile(f"This is {what}, not a CSV file. {remedy}", code=f"file_is_{kind}")
