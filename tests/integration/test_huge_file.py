"""A file of any size is split in resumable steps with bounded memory. `make huge` runs this with 5,000 MB."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.csvfile.header import Header
from chalicelib.csvfile.rows import RejectedRow, read_rows
from chalicelib.limits import CHUNK_BYTES, MIB, RECORD_BYTES_MAX, SCAN_BLOCK_BYTES
from tests.support.variables import whole_number

if TYPE_CHECKING:
    from tests.integration.huge_file import HugeFile
    from tests.support.pipeline import Pipeline

MEGABYTES = whole_number("HUGE_FILE_MB") or 300
FUNCTION_BYTES_MAX = 256 * MIB

logger = logging.getLogger(__name__)


@pytest.mark.timeout(1800)
def test_a_huge_file_is_split_in_steps_at_bounded_memory(pipeline: Pipeline) -> None:
    from tests.integration.huge_file import HugeFile, Report  # imports the functions, which read the environment

    file = HugeFile(MEGABYTES)
    command = [sys.executable, "-m", "tests.integration.huge_file", str(MEGABYTES)]
    report = Report(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    seconds = sum(report.invocation_seconds)
    logger.info(
        "%d bytes, %d records: %.1f s (%.0f MB/s), peak %.0f MiB, seconds of each invocation: %s",
        file.size_bytes,
        file.records,
        seconds,
        file.size_bytes / seconds / 1e6,
        report.peak_bytes / MIB,
        ", ".join(f"{each:.2f}" for each in report.invocation_seconds),
    )

    (found,) = pipeline.sql("select * from import")
    chunks = pipeline.sql("select * from chunk order by number")
    assert_split_to_the_end(found, file, len(chunks))
    assert_chunks_are_the_file(chunks, file)
    assert_rows_are_read(chunks, file, Header.from_json(found["header"]))
    assert report.chunks_sent == [chunk["number"] for chunk in chunks]
    assert len(report.invocation_seconds) > 3
    # An invocation reads again at most what the splitter keeps in memory.
    again_max = SCAN_BLOCK_BYTES + CHUNK_BYTES + RECORD_BYTES_MAX
    assert report.served_bytes < file.size_bytes + len(report.invocation_seconds) * again_max
    assert report.peak_bytes <= FUNCTION_BYTES_MAX


def assert_split_to_the_end(found: dict[str, Any], file: HugeFile, chunk_count: int) -> None:
    assert (found["status"], found["split_done"], found["chunk_count"]) == ("processing", True, chunk_count)
    assert (found["split_offset"], found["split_line"]) == (file.size_bytes, file.lines + 1)


def assert_chunks_are_the_file(chunks: list[dict[str, Any]], file: HugeFile) -> None:
    """Checks that chunks cover the file without gaps, and that each begins with a record and its line."""
    assert [chunk["number"] for chunk in chunks] == list(range(len(chunks)))
    assert all(one["end_byte"] == next_one["start_byte"] for one, next_one in pairwise(chunks))
    places = [file.place(chunk["start_byte"]) for chunk in chunks]
    assert places[0] == (0, 2)
    assert [line for _, line in places] == [chunk["first_line"] for chunk in chunks]
    assert chunks[-1]["end_byte"] == file.size_bytes
    assert file.place(file.size_bytes) == (file.records, file.lines + 1)
    assert all(0 < chunk["end_byte"] - chunk["start_byte"] <= CHUNK_BYTES for chunk in chunks)
    assert not any(chunk["oversized"] for chunk in chunks)


def assert_rows_are_read(chunks: list[dict[str, Any]], file: HugeFile, header: Header) -> None:
    """Checks that a sample of chunks gives exactly the expected records."""
    for chunk in (chunks[0], chunks[len(chunks) // 2], chunks[-1]):
        start, end = chunk["start_byte"], chunk["end_byte"]
        rejected: list[RejectedRow] = []
        rows = list(read_rows(file.read(start, end), header, chunk["first_line"], rejected.append))
        assert rejected == []
        assert len(rows) == file.place(end)[0] - file.place(start)[0]
