"""Files that other programs leave in a folder, and that are not meant to be imported.

A client that copies a whole folder into the bucket copies these files too. They are recognized by name and size alone,
and only if they were put into the bucket: a file that a user registered is always imported. So is every file that could
be a catalogue, such as `products.txt`, or `data` without an ending.
"""

from __future__ import annotations

import re

_READ = ("csv", "tsv", "tab", "psv", "txt", "dat", "gz")
_NOT_READ = ("json", "numbers", "ods", "xls", "xlsb", "xlsm", "xlsx", "xml", "zip")
"""Data, but not CSV: their imports fail, with a reason that helps."""
DATA_ENDINGS = frozenset({*_READ, *_NOT_READ})
"""The endings of names of data files."""

_MAC = r"\._.+|\.ds_store|icon\r"
_WINDOWS = r"thumbs\.db|ehthumbs(?:_vista)?\.db|desktop\.ini"
_LOCK = r"~\$.+|\.~lock\..*#"
_UNFINISHED = r".+\.(?:crdownload|filepart|opdownload|part|partial|tmp)"
_NOTE = r"readme(?:[ _-][^.]*)?|readme(?:[ ._-].*)?\.(?:1st|docx?|html?|markdown|md|me|pdf|rst|rtf|txt)"
_MARKER = r"_success|_(?:committed|started)(?:_.*)?|.+_\$folder\$"

_KINDS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what)
    for pattern, what in (
        (_MAC, "is a file in which macOS keeps settings"),
        (_WINDOWS, "is a file in which Windows keeps settings"),
        (_LOCK, "is the lock of an office program, not the file itself"),
        (_UNFINISHED, "is a file whose transfer has not finished"),
        (_NOTE, "is a note for readers"),
        (_MARKER, "is a marker of another program"),
    )
)
"""What a whole name matches, in upper or lower case, and what such a file is. The first match counts."""


def why_ignored(key: str, size_bytes: int) -> str | None:
    """Returns why an object is plainly not a product file, and what to do if it is one. None if it may be one."""
    what = _what(key, size_bytes)
    if what is None:
        return None
    name = key.rstrip("/").rpartition("/")[2]
    return f"“{name}” {what}, so it was not imported. To import it anyway, give it a name such as products.csv."


def _what(key: str, size_bytes: int) -> str | None:
    name = key.rpartition("/")[2]
    if not name:
        return "has a key that ends with a slash, as folders have"
    for pattern, what in _KINDS:
        if pattern.fullmatch(name):
            return what
    _, dot, ending = name.rpartition(".")
    if dot and ending.lower() in DATA_ENDINGS:
        return None
    if name.startswith("."):
        return "is a hidden file"
    return None if size_bytes else "is empty and does not have the name of a data file"
