"""`make bench`: measures imports against others in the same run, and shows which goals are met and which are missed.

    python -m tests.benchmark [--rows 500000] [--runs 3] [--only paired,…] [--base REVISION] [--write-docs]

Prints tables in Markdown and saves the results in DATA_DIR/benchmark/results.json. Machines are noisy, so absolute
times mean little: quote only ratios from one run. The exit status is 0 whether goals are met or not.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from infra import entry
from infra.arguments import Parser, whole_number
from infra.local.testing import running_stack
from tests.benchmark import comparisons, deletes, files, goals, lists, page, scenarios, stages, webhooks
from tests.benchmark.imports import Stack
from tests.benchmark.report import WORKERS, Bench, emptied

ROWS_MAX, RUNS_MAX = 50_000_000, 100
SCENARIOS: dict[str, Callable[[Bench, Stack], None]] = {
    "paired": scenarios.paired,
    "kinds": scenarios.kinds,
    "rejected": scenarios.rejected,
    "two": scenarios.two,
    "scan": scenarios.scan,
    "searches": lists.searches,
    "copying": lists.import_while_indexing,
    "large_searches": lists.large_searches,
    "deletes": deletes.bulk_deletes,
    "webhooks": webhooks.latency_and_rate,
    "large": scenarios.large,
    "fairness": scenarios.small_files,
    "others": scenarios.others,
}

ALONE: dict[str, Callable[[Bench], None]] = {
    "shipped": comparisons.as_shipped,
    "partial": comparisons.partial,
    "wide": comparisons.wide,
    "servers": comparisons.servers,
    "budget": stages.budget,
}
"""Scenarios that start what they need themselves, while no other stack runs."""

ALL = [*SCENARIOS, *ALONE]

INDEXING = {"searches", "copying", "large_searches"}
"""Scenarios that decide themselves when the catalogue may be indexed."""


def main(arguments: list[str]) -> int:
    """Runs the measurements. Returns the exit status."""
    options = _parse(arguments)
    directory = Path(os.environ.get("DATA_DIR") or ".local").resolve() / "benchmark"
    directory.mkdir(parents=True, exist_ok=True)
    bench = Bench(directory, options.rows, options.runs, options.large_rows, options.many_rows, options.base)
    bench.results["machine"] = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    _measure(bench, options.only)
    bench.show(page.GOALS, goals.HEADER, goals.table(bench.figures, bench.base_figures))
    bench.save()
    if options.write_docs:
        page.write(bench.tables)
    sys.stdout.write(f"\nSaved in {directory / 'results.json'}\n")
    return 0


def _measure(bench: Bench, chosen: list[str]) -> None:
    if shared := [name for name in chosen if name in SCENARIOS]:
        with running_stack(emptied(bench.directory / "stack"), WORKERS=WORKERS) as running:
            stack = Stack(running)
            for name in shared:
                with nullcontext() if name in INDEXING else stack.indexing_paused(), _timed(bench, name):
                    SCENARIOS[name](bench, stack)
    for name in chosen:
        if name in ALONE:
            with _timed(bench, name):
                ALONE[name](bench)


@contextmanager
def _timed(bench: Bench, name: str) -> Iterator[None]:
    """Says how long a scenario took, and saves the results so far."""
    began = time.monotonic()
    yield
    spent = time.monotonic() - began
    bench.results.setdefault("minutes", {})[name] = spent / 60
    sys.stdout.write(f"\n{name} took {spent / 60:.1f} minutes\n")
    bench.save()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m tests.benchmark",
        description="Measure imports against others, and show which goals are met.",
        make="make bench BENCH_ARGS='--runs 5 --only paired,kinds'",
    )
    parser.add_argument("--rows", type=whole_number(1, ROWS_MAX), default=500_000)
    parser.add_argument("--large-rows", type=whole_number(1, ROWS_MAX), default=5_000_000)
    parser.add_argument("--runs", type=whole_number(1, RUNS_MAX), default=3)
    parser.add_argument(
        "--many-rows",
        type=whole_number(files.PART_OF, ROWS_MAX),
        default=2_000_000,
        help="of the catalogue for `partial`, and of each large file for `fairness`",
    )
    parser.add_argument(
        "--base", help="a commit that is measured beside this version, by the scenarios of its own stacks"
    )
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--only", type=_scenarios, default=ALL, help=f"of {', '.join(ALL)}")
    return parser.parse_args(arguments)


def _scenarios(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ALL):
        raise argparse.ArgumentTypeError(f"must be of {', '.join(ALL)}, not {', '.join(sorted(unknown))!r}")
    return names


if __name__ == "__main__":
    entry.run(main)
