"""The stored rejected rows of an import: pages of them, and a CSV to fix and import.

The CSV contains the original bytes of each row, so that fixing it needs nothing else. A row whose stored bytes are not
the complete row is written without its columns: if nobody fixes it, it is rejected again. So is a row that would be
longer than a record may be with the two columns in front of it, and one with an unclosed quote. A spreadsheet program
closes that quote, or the rows after it do, and what is imported then is not the row that the file had.
"""

from __future__ import annotations

import codecs
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.csvfile.header import REJECTED_BECAUSE, REJECTED_LINE, Header
from chalicelib.csvfile.rows import QUOTE_UNCLOSED, ROW_TOO_LONG
from chalicelib.errors import Conflict
from chalicelib.importing import imports
from chalicelib.limits import (
    MIB,
    OVERSIZED_ROW_BYTES_STORED,
    RECORD_BYTES_MAX,
    REJECTED_BYTES_STORED_MAX,
    REJECTED_ROWS_PER_READ,
    REJECTED_ROWS_STORED_MAX,
)

REJECTED_PREFIX = "rejected/"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LINE_END = b"\r\n"


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

    @property
    def raw_is_cut(self) -> bool:
        """Whether `raw` is only the beginning of the row."""
        return self.code == ROW_TOO_LONG

    @property
    def is_one_row(self) -> bool:
        """Whether `raw` is a complete row that ends where its bytes end, whatever follows it."""
        return self.code not in {ROW_TOO_LONG, QUOTE_UNCLOSED}


def page(
    transaction: Transaction,
    import_id: uuid.UUID,
    limit: int,
    *,
    after: int | None = None,
    before: int | None = None,
    raw_bytes_max: int = RECORD_BYTES_MAX,
) -> list[StoredRejection]:
    """Returns rejected rows in the order of their lines: the `limit` next after a line, or before it.

    `raw` of each is read up to `raw_bytes_max`. No row is longer than a record may be.
    """
    key = {"import_id": import_id, "limit": limit, "raw_bytes_max": raw_bytes_max}
    if before is not None:
        return transaction.all("rejected_rows_before_line", StoredRejection, line=before, **key)[::-1]
    return transaction.all("rejected_rows_after_line", StoredRejection, line=after or 0, **key)


def count(transaction: Transaction, import_id: uuid.UUID) -> int:
    """Returns how many rejected rows of an import are stored."""
    return transaction.value("count_rejected_rows", int, import_id=import_id)


def csv_link(backends: Backends, import_id: uuid.UUID) -> str:
    """Writes the rejected rows of an import to a CSV file and returns a link to it. The file can be fixed and imported.

    Raises NotFound, NoLongerKept, Conflict when the file's header was never read, Transient.
    """
    with backends.database.transaction() as transaction:
        stored_rows = count(transaction, import_id)
        import_ = imports.get(transaction, import_id)
    imports.require_details(import_)
    header = import_.csv_header
    if header is None:
        raise Conflict("the file's header was never read, so there are no rejected rows", code="no_rejected_rows")
    blocks = csv_blocks(
        header,
        _stored_rows(backends, import_id),
        unstored=import_.rejected - stored_rows,
        is_rewritten=import_.data_key != import_.object_key,
    )
    stored = backends.files.write(f"{REJECTED_PREFIX}{import_id}.csv", blocks)
    with backends.database.transaction() as transaction:
        imports.require_details(imports.get(transaction, import_id))  # Otherwise the last pages may be missing.
    return backends.files.presign_download(stored.key, stored.version, f"rejected-rows-{import_id}.csv")


def _stored_rows(backends: Backends, import_id: uuid.UUID) -> Iterator[StoredRejection]:
    """Reads page by page, each in its own transaction, because the caller sends to S3 between two pages."""
    line = 0
    batch: list[StoredRejection] | None = None
    while batch is None or len(batch) == REJECTED_ROWS_PER_READ:
        with backends.database.transaction() as transaction:
            batch = page(transaction, import_id, REJECTED_ROWS_PER_READ, after=line)
        yield from batch
        if batch:
            line = batch[-1].line


def csv_blocks(
    header: Header,
    rows: Iterable[StoredRejection],
    *,
    unstored: int = 0,
    is_rewritten: bool = False,
    record_bytes_max: int = RECORD_BYTES_MAX,
) -> Iterator[bytes]:
    """Yields the CSV: each row has its line and the reason as two extra columns, then its original bytes.

    `unstored` rejected rows are not among `rows`: a row at the top says so, and it is rejected too. `is_rewritten` says
    that the bytes are a copy in UTF-8: a byte order mark then overrides the encoding that the original file needed.
    """
    mark = codecs.BOM_UTF8 if is_rewritten else b""
    names = (REJECTED_LINE.encode(), REJECTED_BECAUSE.encode(), header.raw.encode())
    yield mark + header.delimiter.encode().join(names) + _LINE_END
    no_columns = header.delimiter.encode() * (header.width - 1)
    if unstored > 0:
        yield _record(header, "", _why_unstored(unstored), no_columns)
    for row in rows:
        record = _record(header, str(row.line), row.message, row.raw)
        if row.is_one_row and len(record) <= record_bytes_max:
            yield record
        else:
            yield _record(header, str(row.line), _where_it_is(row), no_columns)


def _record(header: Header, line: str, reason: str, columns: bytes) -> bytes:
    return header.delimiter.encode().join((line.encode(), _quoted(reason).encode(), columns)) + _LINE_END


def _where_it_is(row: StoredRejection) -> str:
    """Returns the reason of a row without its columns, and how to complete it. Quotes the beginning of the row."""
    beginning = row.raw[:OVERSIZED_ROW_BYTES_STORED].decode("utf-8", "replace")
    return (
        f"{row.message} The columns are empty here: copy them from line {row.line:,} of the imported file. That line "
        f"begins: {' '.join(beginning.split())}"
    )


def _why_unstored(unstored: int) -> str:
    return (
        f"This file is not complete: {unstored:,} more rows were rejected. An import keeps at most "
        f"{REJECTED_ROWS_STORED_MAX:,} rejected rows, and {REJECTED_BYTES_STORED_MAX // MIB:,} MiB of them. Fix the "
        "original file and import it again."
    )


def _quoted(text: str) -> str:
    """Returns a quoted CSV field that no spreadsheet program treats as a formula."""
    harmless = f"'{text}" if text.startswith(_FORMULA_STARTS) else text
    return '"' + harmless.replace('"', '""') + '"'
