"""The catalogue as CSV text that reads back exactly: what the importer takes in, the export gives out.

Nothing is added to values that a spreadsheet would take for formulas: importing the file again must change nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

COLUMNS = ("sku", "name", "description", "active")
LINE_END = "\r\n"
"""csv quotes fields that hold a character of the line end: so CR alone and LF alone are quoted too."""
_ACTIVE = {True: "true", False: "false"}

Record = tuple[str, str, str, bool]
"""SKU, name, description, active."""


def header() -> bytes:
    """The first record."""
    return _encoded([COLUMNS])


def records(products: Iterable[Record]) -> bytes:
    """A record for each product, in UTF-8, each with its line end."""
    return _encoded((sku, name, description, _ACTIVE[active]) for sku, name, description, active in products)


def _encoded(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text, lineterminator=LINE_END).writerows(rows)
    return text.getvalue().encode()
