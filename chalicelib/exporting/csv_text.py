"""Products as CSV text. Importing the text again changes nothing.

That is also why values that a spreadsheet would take for formulas are not escaped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

COLUMNS = ("sku", "name", "description", "active")
LINE_END = "\r\n"
"""csv quotes fields that contain any character of the line end, so a single CR or LF is quoted, too."""
_ACTIVE = {True: "true", False: "false"}

Record = tuple[str, str, str, bool]
"""SKU, name, description, active."""


def header() -> bytes:
    """Returns the first record, the header."""
    return _encoded([COLUMNS])


def records(products: Iterable[Record]) -> bytes:
    """Returns a record for each product, in UTF-8, each with its line end."""
    return _encoded((sku, name, description, _ACTIVE[active]) for sku, name, description, active in products)


def _encoded(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text, lineterminator=LINE_END).writerows(rows)
    return text.getvalue().encode()
