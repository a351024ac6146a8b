"""A model of imports on AWS, with storage in it. `python -m tests.benchmark.model` prints docs/performance.md's tables.

Each resource allows so many rows a second that this many of its units are used; the smallest of them is the rate. The
constants of our work are measured (docs/performance.md says how), those of AWS are from its documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000
PAGE_BYTES = 8_192
SEQUENTIAL_IO_BYTES = 128 * 1024
"""Neighbouring pages and the log are written in operations of this size."""
WORKERS = (2, 4, 8, 16, 32, 64)

WORKER_SECONDS = 3.6e-6
"""What a row takes of a worker's processor: fetch, parse, encode."""
SPLITTER_ROWS_PER_SECOND = 1_500_000
"""220 MB/s in rows of 148 bytes: one file has one splitter."""
PAGES_PER_ROW = 0.53
"""How many pages of `product` a row of a partial file visits. A page has 15 products, and a random tenth of them is on
1 - 0.9 ** 15 = 0.79 of the pages."""


@dataclass(frozen=True)
class Work:
    """What one row of a file costs the database."""

    name: str
    cpu_seconds: float
    """COPY and MERGE, in PostgreSQL."""
    log_bytes: float
    """The write-ahead log."""
    sequential_bytes: float = 0.0
    """New pages of the table and its indexes, which are written once."""
    pages_written: float = 0.0
    """Known pages, which are written at the next checkpoint."""
    pages_read: float = 0.0
    """Pages that neither PostgreSQL nor the system has in memory."""

    @property
    def bytes_per_row(self) -> float:
        """What goes to and comes from the disk."""
        return self.log_bytes + self.sequential_bytes + PAGE_BYTES * (self.pages_written + self.pages_read)

    @property
    def operations_per_row(self) -> float:
        """In how many operations."""
        sequential = (self.log_bytes + self.sequential_bytes) / SEQUENTIAL_IO_BYTES
        return sequential + self.pages_written + self.pages_read


FIRST = Work("a first import", cpu_seconds=9.4e-6, log_bytes=485, sequential_bytes=613)
ONE = Work("one partial file, catalogue in memory", cpu_seconds=28e-6, log_bytes=1_170)
"""Its pages are written in the quarter of an hour after it."""
MANY = Work(
    "partial files all day, catalogue on disk",
    cpu_seconds=28e-6,
    log_bytes=1_170,
    pages_written=PAGES_PER_ROW,
    pages_read=PAGES_PER_ROW,
)
WORKS = (FIRST, ONE, MANY)


@dataclass(frozen=True)
class Server:
    """An instance with its volume: the smaller limit of the two."""

    name: str
    processors: int
    disk_megabytes: float
    """A second."""
    operations: float
    """Input and output operations, a second."""


SERVERS = (
    Server("t4g.medium, burst", processors=2, disk_megabytes=125, operations=3_000),
    Server("t4g.medium", processors=2, disk_megabytes=43, operations=2_000),
    Server("r8g.large", processors=2, disk_megabytes=81, operations=3_000),
    Server("r8g.2xlarge, 400 GiB", processors=8, disk_megabytes=312, operations=12_000),
    Server("r8g.8xlarge, 400 GiB", processors=32, disk_megabytes=500, operations=12_000),
)
"""The first three have gp3 volumes below 400 GiB: 125 MB/s and 3,000 operations."""


def limits(work: Work, server: Server, workers: int) -> dict[str, float]:
    """Returns the rows a second that each resource allows. A worker waits while PostgreSQL works for it."""
    return {
        "workers": workers / (WORKER_SECONDS + work.cpu_seconds),
        "processors": server.processors / work.cpu_seconds,
        "splitter": SPLITTER_ROWS_PER_SECOND,
        "MB/s": server.disk_megabytes * MEGABYTE / work.bytes_per_row,
        "IOPS": server.operations / work.operations_per_row,
    }


def rate(work: Work, server: Server, workers: int) -> tuple[float, str]:
    """Returns the rows a second, and what limits them."""
    allowed = limits(work, server, workers)
    first = min(allowed, key=allowed.__getitem__)
    return allowed[first], first


def table(work: Work) -> str:
    """Returns the rows a second for each server and number of workers, in Markdown."""
    lines = [f"| {work.name}: workers | " + " | ".join(server.name for server in SERVERS) + " |"]
    lines.append("|---" * (1 + len(SERVERS)) + "|")
    for workers in WORKERS:
        cells = [_cell(*rate(work, server, workers)) for server in SERVERS]
        lines.append(f"| {workers} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def per_row() -> str:
    """Returns what a row costs, in Markdown."""
    lines = ["| a row of | PostgreSQL, µs | log, bytes | disk, bytes | disk, operations |", "|---|---|---|---|---|"]
    lines += [
        f"| {work.name} | {work.cpu_seconds * 1e6:.1f} | {work.log_bytes:,.0f} | {work.bytes_per_row:,.0f} |"
        f" {work.operations_per_row:.3f} |"
        for work in WORKS
    ]
    return "\n".join(lines)


def tables() -> list[str]:
    """Returns every table."""
    return [per_row(), *(table(work) for work in WORKS)]


def _cell(rows: float, limit: str) -> str:
    return f"{_rounded(rows):,} ({limit})"


def _rounded(rows: float) -> int:
    """Two digits: the model is no more precise."""
    return int(float(f"{rows:.1e}"))


if __name__ == "__main__":
    print(*tables(), sep="\n\n")  # noqa: T201
