"""What is kept of rejected rows: pages of them, and a CSV that can be mended and uploaded again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from psycopg.rows import DictRow

from chalicelib.backends import Backends
from chalicelib.csvfile.header import REJECTED_BECAUSE, REJECTED_LINE, Header
from chalicelib.errors import Conflict
from chalicelib.importing import imports
from chalicelib.limits import REJECTED_ROWS_PER_READ

REJECTED_PREFIX = "rejected/"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_link(backends: Backends, import_id: uuid.UUID) -> str:
    """Writes the rejected rows of an import into a file, and returns a link to it.

    Two columns of ours stand before the row's own bytes, which are untouched, so the file can be uploaded again after
    mending. Raises NotFound, Conflict when the file's header was never read, Transient.
    """
    with backends.database.transaction() as transaction:
        found = imports.get(transaction, import_id)
    if found["header"] is None:
        raise Conflict("the file's header was never read, so no row was rejected", code="no_rejected_rows")
    header = Header.from_json(found["header"])
    stored = backends.files.write(f"{REJECTED_PREFIX}{import_id}.csv", _csv(header, _stored(backends, import_id)))
    return backends.files.presign_download(stored.key, stored.version, f"rejected-rows-{import_id}.csv")


def _stored(backends: Backends, import_id: uuid.UUID) -> Iterator[DictRow]:
    """Page by page, each in a transaction of its own: what takes them is sending to S3 between two pages."""
    after: dict[str, Any] = {"after_unclosed": False, "after_line": 0}
    page: list[DictRow] | None = None
    while page is None or len(page) == REJECTED_ROWS_PER_READ:
        with backends.database.transaction() as transaction:
            page = transaction.all("next_rejected_rows", import_id=import_id, limit=REJECTED_ROWS_PER_READ, **after)
        yield from page
        if page:
            after = {"after_unclosed": page[-1]["unclosed"], "after_line": page[-1]["line"]}


def _csv(header: Header, rows: Iterable[DictRow]) -> Iterator[bytes]:
    delimiter = header.delimiter.encode()
    names = delimiter.join((REJECTED_LINE.encode(), REJECTED_BECAUSE.encode(), header.raw.encode()))
    yield names + b"\r\n"
    for row in rows:
        reason = _quoted(row["message"]).encode()
        yield delimiter.join((str(row["line"]).encode(), reason, bytes(row["raw"]))) + b"\r\n"


def _quoted(text: str) -> str:
    """A quoted CSV field that no spreadsheet takes for a formula."""
    harmless = f"'{text}" if text.startswith(_FORMULA_STARTS) else text
    return '"' + harmless.replace('"', '""') + '"'
