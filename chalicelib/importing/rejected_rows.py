"""The stored rejected rows of an import: pages of them, and a CSV that can be corrected and uploaded again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.csvfile.header import REJECTED_BECAUSE, REJECTED_LINE, Header
from chalicelib.errors import Conflict
from chalicelib.importing import imports
from chalicelib.limits import REJECTED_ROWS_PER_READ

REJECTED_PREFIX = "rejected/"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class StoredRejection:
    """A rejected row as it is stored."""

    line: int
    column_name: str | None
    """None when the whole row was rejected."""
    code: str
    message: str
    raw: bytes
    """The bytes of the row in the file, without the line end."""


@dataclass(frozen=True)
class StoredTotals:
    """How much of an import's allowance for rejected rows is used."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class _CsvRow:
    """What the CSV shows of a rejected row."""

    line: int
    is_unclosed: bool
    message: str
    raw: bytes


def page(
    transaction: Transaction, import_id: uuid.UUID, limit: int, *, after: int | None = None, before: int | None = None
) -> list[StoredRejection]:
    """Returns rejected rows in the order of their lines: the `limit` next after a line, or before it."""
    key = {"import_id": import_id, "limit": limit}
    if before is not None:
        return transaction.all("rejected_rows_before_line", StoredRejection, line=before, **key)[::-1]
    return transaction.all("rejected_rows_after_line", StoredRejection, line=after or 0, **key)


def totals(transaction: Transaction, import_id: uuid.UUID) -> StoredTotals:
    """Returns how many rejected rows of an import are stored, and their bytes."""
    return transaction.row("rejected_rows_totals", StoredTotals, import_id=import_id)


def csv_link(backends: Backends, import_id: uuid.UUID) -> str:
    """Writes the rejected rows of an import to a CSV file and returns a link to it.

    Each line has two extra columns, then the original bytes of the row, unchanged. So the file can be corrected and
    uploaded again. Raises NotFound, Conflict when the file's header was never read, Transient.
    """
    with backends.database.transaction() as transaction:
        header = imports.get(transaction, import_id).csv_header
    if header is None:
        raise Conflict("the file's header was never read, so there are no rejected rows", code="no_rejected_rows")
    stored = backends.files.write(f"{REJECTED_PREFIX}{import_id}.csv", _csv(header, _csv_rows(backends, import_id)))
    return backends.files.presign_download(stored.key, stored.version, f"rejected-rows-{import_id}.csv")


def _csv_rows(backends: Backends, import_id: uuid.UUID) -> Iterator[_CsvRow]:
    """Reads page by page, each in its own transaction, because the caller sends to S3 between two pages."""
    is_unclosed, line = False, 0
    batch: list[_CsvRow] | None = None
    while batch is None or len(batch) == REJECTED_ROWS_PER_READ:
        with backends.database.transaction() as transaction:
            batch = transaction.all(
                "next_rejected_rows",
                _CsvRow,
                import_id=import_id,
                limit=REJECTED_ROWS_PER_READ,
                after_unclosed=is_unclosed,
                after_line=line,
            )
        yield from batch
        if batch:
            is_unclosed, line = batch[-1].is_unclosed, batch[-1].line


def _csv(header: Header, rows: Iterable[_CsvRow]) -> Iterator[bytes]:
    delimiter = header.delimiter.encode()
    names = delimiter.join((REJECTED_LINE.encode(), REJECTED_BECAUSE.encode(), header.raw.encode()))
    yield names + b"\r\n"
    for row in rows:
        reason = _quoted(row.message).encode()
        yield delimiter.join((str(row.line).encode(), reason, row.raw)) + b"\r\n"


def _quoted(text: str) -> str:
    """Returns a quoted CSV field that no spreadsheet program treats as a formula."""
    harmless = f"'{text}" if text.startswith(_FORMULA_STARTS) else text
    return '"' + harmless.replace('"', '""') + '"'
