"""The fuzzed property: a file gives the rows that csv.reader sees, however it is cut, fed, resumed and copied.

A plain function of bytes, for any engine: coverage-guided in `fuzz_boundaries.py`, seeded in `tests/unit/test_fuzz.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.csvfile.header import DELIMITERS, Header, read_header
from chalicelib.csvfile.rows import RejectedRow, Row, oversized_row, read_rows
from chalicelib.limits import OVERSIZED_ROW_BYTES_STORED
from tests.support import csv_oracle, plain_rows

BLOCK_SIZES = (1, 2, 3, 5, 7, 8, 13, 16, 21, 32, 48, 64, 100, 256, 1000, 4096)
COLUMNS = (("sku", "name", "description", "active"), ("name", "sku"), ("active", "x", "sku", "name"))
HEADERS = [
    read_header(delimiter.join(columns).encode() + b"\n", is_whole=True)
    for columns in COLUMNS
    for delimiter in DELIMITERS
]
CHOICE_BYTES = 5
SIZE_UNLIMITED = 65_536


@dataclass(frozen=True, slots=True)
class Case:
    """A file, and how it is cut. `content` is what follows the header.

    Blocks alternate between two sizes; `resume_at` chooses the chunk after which a new splitter continues.
    """

    header: Header
    record_bytes_max: int
    chunk_bytes: int
    lines_max: int
    block_sizes: tuple[int, int]
    resume_at: int
    content: bytes
    file: bytes

    @classmethod
    def decode(cls, data: bytes) -> Case:
        """Decodes a case: each of the first bytes is a choice; the rest is the file after its header."""
        columns, cap, chunk, blocks, resume_at = data[:CHOICE_BYTES].ljust(CHOICE_BYTES, b"\0")
        header = HEADERS[columns % len(HEADERS)]
        content = data[CHOICE_BYTES:]
        return cls(
            header=header,
            record_bytes_max=_size(cap),
            chunk_bytes=_size(chunk),
            lines_max=1 + chunk % 8 if chunk % 3 == 0 else SIZE_UNLIMITED,
            block_sizes=(BLOCK_SIZES[blocks >> 4], BLOCK_SIZES[blocks & 15]),
            resume_at=resume_at,
            content=content,
            file=header.raw.encode() + b"\n" + content,
        )


def _size(choice: int) -> int:
    return SIZE_UNLIMITED if choice == 255 else choice + 1


def check(data: bytes) -> None:
    """Raises AssertionError if the splitter or the row rules disagree with csv.reader; passes their errors on."""
    case = Case.decode(data)
    chunks = split(case, case.header.end, case.header.lines + 1)
    check_tiles(case, chunks)
    records = list(
        csv_oracle.records(case.content, case.record_bytes_max, case.header.delimiter, case.header.lines + 1)
    )
    assert [(chunk.start, chunk.end, chunk.oversized) for chunk in chunks] == csv_oracle.packed(
        records, case.chunk_bytes, case.lines_max, case.header.end
    )
    accepted, rejected = read(case, chunks)
    products, rejections = csv_oracle.judged(records, case.header)
    assert accepted == products
    assert [(row.line, row.code, row.raw) for row in rejected] == rejections
    check_plain(case, chunks)
    assert read(case, [piece for chunk in chunks for piece in cut(case, chunk)]) == (accepted, rejected)
    if chunks:
        at = case.resume_at % len(chunks)
        assert split(case, chunks[at].end, chunks[at].next_line) == chunks[at + 1 :]


def check_plain(case: Case, chunks: list[Chunk]) -> None:
    """Checks that PostgreSQL reads a chunk as the row rules do if it is passed on as it is in the file."""
    for chunk in chunks:
        data = case.file[chunk.start : chunk.end]
        found = plain_rows.read(data, case.header, chunk.first_line) if chunk.regular else None
        if found is not None:
            assert (found, []) == read(case, [chunk])


def check_tiles(case: Case, chunks: list[Chunk]) -> None:
    """Checks that every byte and every physical line of the content is in exactly one chunk, in order."""
    at, line = case.header.end, case.header.lines + 1
    for chunk in chunks:
        assert (chunk.start, chunk.first_line) == (at, line)
        assert chunk.end > chunk.start
        at, line = chunk.end, chunk.next_line
    assert at == len(case.file)
    is_ended = case.content.endswith((b"\n", b"\r")) or not case.content
    assert line == case.header.lines + len(csv_oracle.physical_lines(case.content)) + is_ended


def split(case: Case, start: int, line: int) -> list[Chunk]:
    """Returns all chunks from a record boundary on, fed block by block."""
    splitter = Splitter(
        case.header.delimiter,
        start,
        line,
        case.chunk_bytes,
        record_bytes_max=case.record_bytes_max,
        lines_max=case.lines_max,
    )
    chunks: list[Chunk] = []
    for block in blocks(case, start):
        chunks += splitter.feed(block)
    return chunks + list(splitter.finish())


def cut(case: Case, chunk: Chunk) -> list[Chunk]:
    """Returns the pieces of a chunk that a slow database gets, cut from the bytes of the chunk alone."""
    if chunk.oversized:
        return [chunk]
    size = max((chunk.end - chunk.start) // 4, 1)
    splitter = Splitter(
        case.header.delimiter, chunk.start, chunk.first_line, size, record_bytes_max=case.record_bytes_max
    )
    return [*splitter.feed(case.file[chunk.start : chunk.end]), *splitter.finish()]


def blocks(case: Case, at: int) -> Iterator[bytes]:
    """Yields the file from `at` on, in blocks that alternate between two sizes."""
    for size in cycle(case.block_sizes):
        if at >= len(case.file):
            return
        yield case.file[at : at + size]
        at += size


def read(case: Case, chunks: list[Chunk]) -> tuple[list[Row], list[RejectedRow]]:
    """Returns the rows of all chunks, read as workers read them: each chunk separately."""
    accepted: list[Row] = []
    rejected: list[RejectedRow] = []
    for chunk in chunks:
        data = case.file[chunk.start : chunk.end]
        if chunk.oversized:
            rejected.append(oversized_row(data[:OVERSIZED_ROW_BYTES_STORED], chunk.first_line))
            continue
        accepted += read_rows(
            data,
            case.header,
            chunk.first_line,
            rejected.append,
            regular=chunk.regular,
            record_bytes_max=case.record_bytes_max,
        )
    return accepted, rejected
