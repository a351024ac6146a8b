"""Lists of products, and the search index that they use."""

from __future__ import annotations

import threading
import time
from typing import Any

from infra.local.processes.deadline import wait_until
from tests.benchmark import files, search
from tests.benchmark.imports import Stack
from tests.benchmark.report import Bench
from tests.support import indexing

BY_HTTP = 4
"""The column of the 95th percentile over HTTP."""
BY_ANY_TEXT, BY_PREFIX = "any text", "SKU begins with"
"""What the cases of `search` begin with that have goals."""
CURRENT_SECONDS_MAX = 900.0


def searches(bench: Bench, stack: Stack) -> None:
    """Lists of products, over the plain catalogue: before it is indexed, and after."""
    _search(bench, stack, bench.rows, behind=True)


def large_searches(bench: Bench, stack: Stack) -> None:
    """The same with ten times as many products, after they are indexed."""
    _search(bench, stack, bench.large_rows, behind=False)


def _search(bench: Bench, stack: Stack, rows: int, *, behind: bool) -> None:
    header = ["list", "SQL, ms, median", "SQL, ms, p95", "HTTP, ms, median", "HTTP, ms, p95", "total"]
    stack.clear()
    stack.database.execute(indexing.FORGET.encode())
    with stack.indexing_paused():
        imported = stack.run(bench.file("plain", rows)).seconds
        stack.database.execute("vacuum analyze product")
        if behind:
            found = search.measure(stack.stack.file)
            bench.show(f"Lists of {rows:,} products, index behind", header, found)
            bench.figures["behind_ms"] = [max(line[BY_HTTP] for line in found if line[0].startswith(BY_ANY_TEXT))]
    indexed = stack.index()
    stack.database.execute("vacuum analyze product_search")
    found = search.measure(stack.stack.file)
    bench.show(f"Lists of {rows:,} products, index up to date", header, found)
    if not behind:
        bench.figures["prefix_ms"] = [line[BY_HTTP] for line in found if line[0] == BY_PREFIX]
    if not behind:
        _change_a_few(bench, stack, rows)
    sizes = [
        stack.database.execute("select pg_total_relation_size(%s::text::regclass) / 1e6", [table]).fetchone()
        for table in ("product", "product_search")
    ]
    lines = [[f"{rows:,}", imported, indexed, *(float(size[0]) for size in sizes if size is not None)]]
    bench.show("Indexing for search", ["rows", "import, s", "indexing, s", "product, MB", "search index, MB"], lines)


def _change_a_few(bench: Bench, stack: Stack, rows: int) -> None:
    """Measures how long after an import of a few changed products the search index is up to date again."""
    lines: list[list[Any]] = []
    for file in files.few(bench.directory, rows, bench.runs):
        imported = stack.run(file).seconds
        began = time.monotonic()
        wait_until(stack.index_is_current, CURRENT_SECONDS_MAX, "the search index to be up to date")
        lines.append([files.FEW, imported, time.monotonic() - began])
    bench.show("A few changed products", ["products", "import, s", "until the index is up to date, s"], lines)
    bench.figures["current_seconds"] = [line[2] for line in lines]


def import_while_indexing(bench: Bench, stack: Stack) -> None:
    """The cost of starting an import during indexing: the same import alone, and during indexing."""
    lines = []
    for _ in range(bench.runs):
        seconds = []
        for during in (False, True):
            stack.clear()
            stack.database.execute(indexing.FORGET.encode())
            with stack.indexing_paused():
                stack.run(bench.file("plain"))
                stack.database.execute("checkpoint")
                if not during:
                    seconds.append(stack.run(bench.file("changed")).seconds)
            if during:
                indexer = threading.Thread(target=stack.index)
                indexer.start()
                seconds.append(stack.run(bench.file("changed")).seconds)
                indexer.join()
        lines.append([*seconds, seconds[1] / seconds[0]])
    bench.show("An import that starts during indexing", ["alone, s", "during indexing, s", "ratio"], lines)
