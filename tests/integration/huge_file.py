"""A CSV file of any size that is never stored, and a program that splits it in its own process.

`python -m tests.integration.huge_file 300` splits 300 MB and prints a report as JSON. It needs a new process because
peak memory can only be measured for a whole process. PostgreSQL is real; its address comes from the environment.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

from chalicelib.backends.file_store import FileStore, StoredFile
from chalicelib.backends.queues import Message, Queues
from chalicelib.importing import splitting
from chalicelib.limits import INVOCATION_RESERVE_SECONDS, SCAN_BLOCK_BYTES
from functions.composition import backends

MB = 1_000_000
BUCKET = "generated"
KEY = "uploads/huge.csv"
VERSION = "1"
INVOCATIONS_ABOUT = 8
HEADER = b"sku,name,description\r\n"
PATTERN_RECORDS = 30_011
"""With this number, the length of the pattern in bytes shares no factor with the size of a block or a chunk."""


def pattern_record(number: int) -> bytes:
    """Returns a realistic record: one in five spans several lines, some are long, line ends differ."""
    text = f"Description of product {number}, no more than a sentence or two of plain text"
    if number % 5 == 0:
        text = f'The "{number}"\nspans lines,\r\n\r\nand has commas, "quotes" and {"more " * (number % 40)}'
    if number % 5000 == 0:
        text = "A very long one\n" * 4_000
    quoted = text.replace('"', '""')
    line_end = "\r\n" if number % 7 else "\n"
    return f'SKU-{number},6" nail {number},"{quoted}"{line_end}'.encode()


class HugeFile:
    """A header and a pattern of records, repeated until the file has at least `megabytes`.

    Everything about it is known without reading it.
    """

    def __init__(self, megabytes: int) -> None:
        records = [pattern_record(number) for number in range(PATTERN_RECORDS)]
        self._pattern = b"".join(records)
        self._starts = list(accumulate(map(len, records), initial=0))
        # CR occurs only before LF, so every line ends with LF.
        self._lines = list(accumulate((record.count(b"\n") for record in records), initial=0))
        repeats = -(-megabytes * MB // len(self._pattern))
        self.size_bytes = len(HEADER) + repeats * len(self._pattern)
        self.records = repeats * PATTERN_RECORDS
        self.lines = 1 + repeats * self._lines[-1]
        # Long enough for a block from anywhere in the pattern to be one slice.
        self._repeated = self._pattern * (2 + SCAN_BLOCK_BYTES // len(self._pattern))

    def read(self, start: int, end: int) -> bytes:
        """Returns the bytes start..end (half-open), at most a block."""
        end = min(end, self.size_bytes)
        if start < len(HEADER):
            return HEADER[start:end] + self.read(len(HEADER), end)
        at = (start - len(HEADER)) % len(self._pattern)
        return self._repeated[at : at + end - start]

    def place(self, offset: int) -> tuple[int, int]:
        """Returns how many records are before a record boundary, and its line. Raises ValueError for other offsets."""
        repeats, within = divmod(offset - len(HEADER), len(self._pattern))
        index = bisect_left(self._starts, within)
        if self._starts[index] != within:
            raise ValueError(f"no record starts at byte {offset:,}")
        return repeats * PATTERN_RECORDS + index, 2 + repeats * self._lines[-1] + self._lines[index]


@dataclass
class GeneratedFiles:
    """The part of a file store that the splitter uses, with one file."""

    file: HugeFile
    served_bytes: int = 0

    def find(self, key: str, version: str | None = None) -> StoredFile:
        """Returns the one file."""
        return StoredFile(key, VERSION, self.file.size_bytes, datetime.now(UTC))

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        """Returns a range of the file."""
        return self.file.read(start, end)

    def versions_of(self, key: str, limit: int) -> list[StoredFile]:
        """Returns its one version."""
        return [self.find(key)][:limit]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        """Yields the file from `start` on."""
        for at in range(start, self.file.size_bytes, block_bytes):
            block = self.file.read(at, at + block_bytes)
            self.served_bytes += len(block)
            yield block


@dataclass
class CollectingQueues:
    """Queues that keep what was sent to them."""

    sent: dict[str, list[Any]] = field(default_factory=lambda: {"uploads": [], "chunks": []})

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Keeps the messages."""
        self.sent[queue].extend(messages)


@dataclass(frozen=True)
class Report:
    """The result. `invocation_seconds` has an item for each invocation of the splitter."""

    invocation_seconds: list[float]
    served_bytes: int
    chunks_sent: list[int]
    peak_bytes: int


def split(megabytes: int) -> Report:
    """Splits the file in a chain of invocations, each of which runs out of time and hands over to the next."""
    files, queues = GeneratedFiles(HugeFile(megabytes)), CollectingQueues()
    # Create the clients that a function has, because they count towards its memory.
    real = backends()
    # So many workers that the splitter never waits for them.
    fake = replace(real, files=cast(FileStore, files), queues=cast(Queues, queues), chunk_concurrency=megabytes)
    stored = files.find(KEY)
    blocks_each = -(-stored.size_bytes // SCAN_BLOCK_BYTES // INVOCATIONS_ABOUT)
    began = [time.monotonic()]
    splitting.split_upload(fake, BUCKET, stored, runs_out_after(blocks_each))
    for message in queues.sent["uploads"]:  # The list grows while the invocations hand over.
        began.append(time.monotonic())
        splitting.continue_splitting(fake, message.continue_import, runs_out_after(blocks_each))
    ended = [*began[1:], time.monotonic()]
    return Report(
        invocation_seconds=[end - start for start, end in zip(began, ended, strict=True)],
        served_bytes=files.served_bytes,
        chunks_sent=[message.chunk for message in queues.sent["chunks"]],
        peak_bytes=peak_bytes(),
    )


def runs_out_after(blocks: int) -> Callable[[], float]:
    """Returns the clock of an invocation that has time for this many blocks."""
    left = iter([INVOCATION_RESERVE_SECONDS + 1.0] * blocks)
    return lambda: next(left, 0.0)


def peak_bytes() -> int:
    """Returns the peak resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux it starts with the peak of the parent process.
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    json.dump(asdict(split(int(sys.argv[1]))), sys.stdout)
