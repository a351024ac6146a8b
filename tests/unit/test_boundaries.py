"""The splitter cuts where csv.reader sees record boundaries, for any file and any size of blocks."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.csvfile.boundaries import Chunk, Splitter
from chalicelib.errors import UnreadableFile
from chalicelib.limits import CHUNK_LINES_MAX, KIB, LINES_MAX, MIB
from tests.support.csv_oracle import packed, physical_lines, records

FRAGMENTS = (
    '"', '""', ",", "\n", "\r", "\r\n", "a", " ", "é", "\0", '"\n', '",', ',"', '","', '\n"', '"\r\n', '"\r',
    '6" nail', '"x"y', 'a"a,"\n', "aaaa\n", "aaaaaaaaaaaaaaaa", "a,b\n", '"a","b"\n', '"a\nb"\n', "\n\n", ",,\n",
)  # fmt: skip
hostile_files = st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(lambda parts: "".join(parts).encode())
swinging_lines = (
    'a"a,"\n',
    '"\n',
    '"a\n',
    'a"\n',
    "a\n",
    '",\n',
    '"",\n',
    '""\n',
    'a,"\n',
    '"\r""\n',
    '","\r',
    '"\r\n',
    '"x"\n',
)
forgotten_quotes = st.lists(st.sampled_from(swinging_lines), min_size=5, max_size=40).map(
    lambda lines: "".join(lines).encode()
)
record_caps = st.sampled_from((2, 5, 8, 16, 64, 1000))
chunk_sizes = st.sampled_from((1, 7, 20, 64, 1000, MIB))
block_sizes = st.sampled_from((1, 2, 3, 64, 1000))


def split(
    data: bytes,
    *,
    cap: int = 1000,
    chunk: int = 64,
    lines: int = CHUNK_LINES_MAX,
    block: int = 64,
    delimiter: str = ",",
    start: int = 0,
    line: int = 1,
) -> list[Chunk]:
    """Returns all chunks of `data[start:]`, fed in blocks."""
    splitter = Splitter(delimiter, start, line, chunk, record_bytes_max=cap, lines_max=lines)
    chunks: list[Chunk] = []
    for at in range(start, len(data), block):
        chunks += splitter.feed(data[at : at + block])
    return chunks + list(splitter.finish())


def expected_chunks(
    data: bytes, cap: int, chunk: int, delimiter: str = ",", lines: int = CHUNK_LINES_MAX
) -> list[tuple[int, int, bool]]:
    """Returns the records that csv.reader sees, packed greedily."""
    return packed(records(data, cap, delimiter), chunk, lines)


def bounds(chunks: Sequence[Chunk]) -> list[tuple[int, int, bool]]:
    return [(chunk.start, chunk.end, chunk.oversized) for chunk in chunks]


@settings(max_examples=1000, deadline=None)
@given(data=hostile_files, cap=record_caps, chunk=chunk_sizes, block=block_sizes)
@example(data=b'a"a,"\na"a,"\n"x"\n', cap=16, chunk=7, block=3)
@example(data=b'\n","\n,a""\r\naaaa\n,""\r"\n"\n"\r""\r\n"\n', cap=8, chunk=64, block=64)
def test_chunks_are_the_records_csv_reader_sees_packed_greedily(data: bytes, cap: int, chunk: int, block: int) -> None:
    assert bounds(split(data, cap=cap, chunk=chunk, block=block)) == expected_chunks(data, cap, chunk)


@settings(max_examples=1000, deadline=None)
@given(
    data=hostile_files | forgotten_quotes,
    cap=record_caps,
    chunk=chunk_sizes,
    lines=st.integers(1, 6),
    step=st.integers(1, 9),
    block=block_sizes,
)
@example(data=b"a\r\nb\r\nc\rd\n", cap=16, chunk=MIB, lines=1, step=2, block=3)
def test_a_chunk_has_at_most_so_many_lines_from_any_boundary_on(
    data: bytes, cap: int, chunk: int, lines: int, step: int, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chalicelib.csvfile.boundaries._COUNT_STEP_BYTES", step)
        chunks = split(data, cap=cap, chunk=chunk, lines=lines, block=block)
        for index, last in enumerate(chunks):
            resumed = split(data, cap=cap, chunk=chunk, lines=lines, block=block, start=last.end, line=last.next_line)
            assert resumed == chunks[index + 1 :]
    assert bounds(chunks) == expected_chunks(data, cap, chunk, lines=lines)


@settings(max_examples=1500, deadline=None)
@given(data=forgotten_quotes, cap=st.integers(6, 40), chunk=st.sampled_from((20, 64, 1000)))
def test_after_a_forgotten_quote_every_line_is_tried_again(data: bytes, cap: int, chunk: int) -> None:
    assert bounds(split(data, cap=cap, chunk=chunk, block=1000)) == expected_chunks(data, cap, chunk)


@settings(max_examples=300, deadline=None)
@given(data=hostile_files, cap=record_caps, chunk=chunk_sizes, delimiter=st.sampled_from(";\t|"))
def test_every_delimiter_is_supported(data: bytes, cap: int, chunk: int, delimiter: str) -> None:
    data = data.replace(b",", delimiter.encode())
    assert bounds(split(data, cap=cap, chunk=chunk, delimiter=delimiter)) == expected_chunks(
        data, cap, chunk, delimiter
    )


@settings(max_examples=300, deadline=None)
@given(data=hostile_files, cap=record_caps, chunk=chunk_sizes, block=block_sizes)
def test_chunks_tile_the_file_and_number_its_physical_lines(data: bytes, cap: int, chunk: int, block: int) -> None:
    at, line = 0, 1
    for part in split(data, cap=cap, chunk=chunk, block=block):
        assert (part.start, part.first_line) == (at, line)
        assert part.end > part.start
        text = data[part.start : part.end].decode("latin-1")
        line += len(physical_lines(text.encode("latin-1"))) - (not text.endswith(("\n", "\r")))
        at = part.end
        assert part.next_line == line
    assert at == len(data)


@settings(max_examples=200, deadline=None)
@given(data=hostile_files, cap=record_caps, chunk=chunk_sizes, block=block_sizes)
def test_a_new_splitter_continues_from_the_end_of_any_chunk(data: bytes, cap: int, chunk: int, block: int) -> None:
    chunks = split(data, cap=cap, chunk=chunk, block=block)
    for index, last in enumerate(chunks):
        resumed = split(data, cap=cap, chunk=chunk, block=block, start=last.end, line=last.next_line)
        assert resumed == chunks[index + 1 :]


def test_a_crlf_is_never_split() -> None:
    data = b"a\r\nb\r\nc\rd\ne"
    for block in range(1, len(data) + 1):
        chunks = split(data, chunk=1, block=block)
        assert [data[chunk.start : chunk.end] for chunk in chunks] == [b"a\r\n", b"b\r\n", b"c\r", b"d\n", b"e"]


def test_a_quoted_line_break_is_not_a_boundary() -> None:
    data = b'1,"a\nb\r\nc"\n2,x\n'
    assert bounds(split(data, chunk=1)) == [(0, 11, False), (11, 15, False)]


@pytest.mark.parametrize("row", [b'1,6" nail\n', b'1,"x"y\n', b'1,a "b\n', b'1, "a\n', b'1,"a"b"c\n', b'1,"\'"\n'])
def test_a_quote_that_does_not_open_a_field_is_text(row: bytes) -> None:
    assert bounds(split(row * 2, chunk=1)) == [(0, len(row), False), (len(row), 2 * len(row), False)]


def test_a_record_may_be_exactly_as_long_as_the_cap_line_end_included() -> None:
    record = b'"aaa\nbb"\n'
    assert bounds(split(record, cap=len(record), chunk=1)) == [(0, 9, False)]
    assert bounds(split(record, cap=len(record) - 1, chunk=1)) == [(0, 5, False), (5, 9, False)]
    assert bounds(split(record[:-1], cap=len(record) - 1, chunk=1)) == [(0, 8, False)]


def test_after_a_forgotten_quote_every_line_starts_a_record() -> None:
    data = b'1,"a\n' + b"2,b\n" * 30 + b'3,"c\nd"\n'
    starts = [chunk.start for chunk in split(data, cap=16, chunk=1)]
    assert starts == [0, *range(5, 5 + 30 * 4, 4), 125]


def test_a_quote_still_open_at_the_end_of_the_file_affects_only_its_own_line() -> None:
    data = b'1,a\n2,"b\n3,c\n4,d'
    assert [chunk.start for chunk in split(data, chunk=1)] == [0, 4, 9, 13]


def test_a_line_longer_than_a_record_is_a_chunk_of_its_own() -> None:
    data = b"1,a\n" + b"x" * 50 + b"\r\n2,b\n"
    for block in (1, 3, 100):
        assert bounds(split(data, cap=16, block=block)) == [(0, 4, False), (4, 56, True), (56, 60, False)]


def test_too_many_lines_are_refused() -> None:
    splitter = Splitter(",", 0, LINES_MAX)
    with pytest.raises(UnreadableFile) as refusal:
        list(splitter.feed(b"\n\n")) + list(splitter.finish())
    assert refusal.value.code == "too_many_lines"


@pytest.mark.parametrize(
    "pattern", [b"x", b'"', b'"' + b"x" * 4095, b"x\n", b'"a"\n', b'a"a,"\n'], ids=lambda pattern: repr(pattern[:6])
)
def test_no_file_is_held_in_memory(pattern: bytes) -> None:
    cap, chunk, block = 8 * KIB, 8 * KIB, 32 * KIB
    content = (pattern * block)[:block]
    splitter = Splitter(",", 0, 1, chunk, record_bytes_max=cap)
    tracemalloc.start()
    for _ in range(8):
        for _chunk in splitter.feed(content):
            pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * (block + cap + chunk) < 8 * block


EVIL_FILES = {
    "every line opens a quote that never closes": b'a"a,"\n',
    "the same with lone CR": b'a"a,"\r',
    "long lines of literal quotes": b'6" ' * 20_000 + b"\n",
    "long lines of doubled quotes": b'a,"' + b'""' * 30_000 + b"\n",
    "records just too long": b'"' + b"x" * 60_000 + b'\n"' + b"y" * 60_000 + b"\n",
    "one quote, then plain lines": b'"' + b"a,b\n" * 50_000,
    "CR lines, each quoted": b'"a","b"\r',
    "one LF, then CR lines": b"a\n" + b'"a"\r' * 50_000,
}


@pytest.mark.parametrize("pattern", EVIL_FILES.values(), ids=EVIL_FILES)
def test_hostile_files_cost_linear_time(pattern: bytes) -> None:
    """Quadratic work would take minutes here: each of 87,000 lines would read another 64 KiB."""
    cap = chunk = 64 * KIB
    data = (pattern * (512 * KIB // len(pattern) + 1))[: 512 * KIB]
    began = time.process_time()
    chunks = split(data, cap=cap, chunk=chunk, block=256 * KIB)
    assert time.process_time() - began < 5
    assert chunks[-1].end == len(data)
