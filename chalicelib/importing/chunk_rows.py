"""The rows of a chunk: read from its file, and copied into the temporary table `incoming`.

COPY runs in a transaction of its own, before any lock is taken. If all rows of a chunk are plain, their bytes are
copied as they are; otherwise, and if PostgreSQL refuses these bytes, the row rules read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import DataError
from psycopg.sql import Composed

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.csvfile.header import Header
from chalicelib.csvfile.rows import RejectedRow, oversized_row, read_rows
from chalicelib.fault_points import fault_point
from chalicelib.importing import copy_text, pieces, plain_copy
from chalicelib.importing.pieces import SecondsLeft
from chalicelib.importing.records import ChunkToDo
from chalicelib.limits import OVERSIZED_ROW_BYTES_STORED
from chalicelib.sql import query
from chalicelib.telemetry import WARNING, Stopwatch, log


@dataclass(frozen=True)
class Content:
    """What a chunk contains: the products, the statement that copies them, and the rejected rows."""

    products: bytes
    statement: LiteralString | Composed
    rejected: list[RejectedRow]
    unparsed: bytes | None = None
    """The bytes of the chunk, if its rows are copied as they are in the file."""
    count: int | None = None
    """How many rows COPY must find, if they were not parsed."""


class _Miscounted(Exception):
    """COPY has read another number of rows than it was given."""


def read(backends: Backends, chunk: ChunkToDo, header: Header, clock: Stopwatch) -> Content:
    """Reads the rows of a chunk. `clock` measures its stages. Raises FileUnavailable, Transient."""
    start, end = chunk.start_byte, chunk.end_byte
    if chunk.oversized:
        end = min(end, start + OVERSIZED_ROW_BYTES_STORED)
        head = backends.files.read(chunk.data_key, chunk.data_version, start, end)
        return Content(b"", query("copy_incoming"), [oversized_row(head, chunk.first_line)])
    with clock.stage("ChunkReadMilliseconds"):
        data = backends.files.read(chunk.data_key, chunk.data_version, start, end)
    with clock.stage("ChunkParseMilliseconds"):
        return _plain(data, header, chunk) or _parsed(data, header, chunk)


def _plain(data: bytes, header: Header, chunk: ChunkToDo) -> Content | None:
    """Returns the content of a chunk in which all rows are plain, without parsing them."""
    plain = plain_copy.read(data, header, chunk.first_line) if chunk.regular else None
    return None if plain is None else Content(plain.lines, plain.statement, [], data, plain.count)


def _parsed(data: bytes, header: Header, chunk: ChunkToDo) -> Content:
    rejected: list[RejectedRow] = []
    rows = read_rows(data, header, chunk.first_line, rejected.append, regular=chunk.regular)
    products = copy_text.encode(rows, holds_delimiter=copy_text.DELIMITER.encode() in data)
    return Content(products, query("copy_incoming"), rejected)


def copy(
    backends: Backends, content: Content, header: Header, chunk: ChunkToDo, seconds_left: SecondsLeft
) -> tuple[Content, int]:
    """Copies a chunk's products into the temporary table, which outlives the transaction.

    Returns the content, parsed if PostgreSQL refused it unparsed, and the number of products. Raises TimedOut,
    Transient.
    """
    try:
        with backends.database.transaction() as transaction:
            pieces.limit_statements(transaction, seconds_left)
            return content, _copy(transaction, content, chunk.first_line)
    except (DataError, _Miscounted) as error:
        if content.unparsed is None:
            raise
        log("a chunk that was not parsed was refused, and is parsed now", level=WARNING, reason=type(error).__name__)
        return copy(backends, _parsed(content.unparsed, header, chunk), header, chunk, seconds_left)


def _copy(transaction: Transaction, content: Content, first_line: int) -> int:
    """Fills the temporary table. Returns the number of rows. Raises _Miscounted."""
    transaction.run("create_incoming")
    if transaction.exists("any_incoming"):
        transaction.run("empty_incoming")
    if content.unparsed is not None:
        transaction.run("number_incoming", first_line=first_line)
    with transaction.cursor.copy(content.statement) as copy:
        copy.write(content.products)
        fault_point("chunk.inside_copy")
    copied = transaction.cursor.rowcount
    if content.count not in {None, copied}:
        raise _Miscounted
    return copied
