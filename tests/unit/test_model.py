"""The model of docs/performance.md: its tables are what the script computes, and it agrees with simple cases."""

from __future__ import annotations

import pytest

from tests.benchmark import model
from tests.benchmark.model import FIRST, MANY, MEGABYTE, ONE, PAGE_BYTES, SERVERS, Server, Work
from tests.support.markdown import ROOT, read

ENDLESS = Server("endless", processors=10**6, disk_megabytes=10**9, operations=10**12)


def test_the_tables_in_the_documentation_are_those_of_the_model() -> None:
    documentation = read(ROOT / "docs" / "performance.md")
    missing = [table for table in model.tables() if table not in documentation]
    assert missing == [], "run `python -m tests.benchmark.model`"


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
@pytest.mark.parametrize("work", model.WORKS, ids=lambda work: work.name)
def test_more_workers_never_slow_imports_down(work: Work, server: Server) -> None:
    rates = [model.rate(work, server, workers)[0] for workers in model.WORKERS]
    assert rates == sorted(rates)


def test_without_a_limit_of_the_server_workers_and_the_splitter_remain() -> None:
    alone, limit = model.rate(FIRST, ENDLESS, 1)
    assert (round(alone * (model.WORKER_SECONDS + FIRST.cpu_seconds), 6), limit) == (1.0, "workers")
    assert model.rate(FIRST, ENDLESS, 10_000) == (model.SPLITTER_ROWS_PER_SECOND, "splitter")


def test_each_limit_can_be_the_first() -> None:
    slow_disk = Server("slow disk", processors=10**6, disk_megabytes=1, operations=10**9)
    few_operations = Server("few operations", processors=10**6, disk_megabytes=10**6, operations=100)
    one_processor = Server("one processor", processors=1, disk_megabytes=10**6, operations=10**9)
    assert model.rate(FIRST, slow_disk, 64) == (MEGABYTE / FIRST.bytes_per_row, "MB/s")
    assert model.rate(MANY, few_operations, 64) == (100 / MANY.operations_per_row, "IOPS")
    assert model.rate(FIRST, one_processor, 64) == (1 / FIRST.cpu_seconds, "processors")


def test_a_page_that_is_not_in_memory_is_read_and_written() -> None:
    assert MANY.bytes_per_row == ONE.bytes_per_row + 2 * model.PAGES_PER_ROW * PAGE_BYTES
