"""What is kept of rejected rows: pages of them, and a CSV that can be mended and uploaded again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from psycopg.rows import DictRow

from chalicelib import imports
from chalicelib.backends import Backends
from chalicelib.database import Transaction
from chalicelib.errors import Conflict
from chalicelib.header import REJECTED_BECAUSE, REJECTED_LINE, Header
from chalicelib.sql import query

REJECTED_PREFIX = "rejected/"
FETCH_ROWS = 1000
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
    # Read to the end before uploading: no network call inside a transaction. The stored rows have a limit in bytes.
    with backends.database.transaction() as transaction:
        lines = list(_csv(header, _stored(transaction, import_id)))
    stored = backends.files.write(f"{REJECTED_PREFIX}{import_id}.csv", lines)
    return backends.files.presign_download(stored.key, stored.version, f"rejected-rows-{import_id}.csv")


def _stored(transaction: Transaction, import_id: uuid.UUID) -> Iterator[DictRow]:
    transaction.cursor.execute(query("all_rejected_rows"), {"import_id": import_id})
    while batch := transaction.cursor.fetchmany(FETCH_ROWS):
        yield from batch


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
