"""`make bench`: measures imports against psql on the same server in the same run; shows medians and paired ratios.

    python -m tests.benchmark [--rows 500000] [--runs 3] [--only paired,…] [--large-rows 5000000]

Prints tables in Markdown and saves the results in DATA_DIR/benchmark/results.json. It passes no verdict: machines are
noisy, so absolute times mean little. Quote only ratios from one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.backends import migrations
from infra import entry
from infra.arguments import Parser, whole_number
from infra.local.testing import backing_services, running_stack
from tests.benchmark import deletes, files, psql, rivals, search, stages
from tests.benchmark import webhooks as hooks
from tests.benchmark.imports import Measured, Stack
from tests.support import indexing

WORKERS = "2"
ROWS_MAX, RUNS_MAX = 50_000_000, 100
MANY_WEBHOOKS = 20
ARROW = "pyarrow and pgpq, plain"
RATIO_HEADER = ["ratio", "median", "min", "max"]
OPERATIONS = (1, 2)
"""The operation numbers that psql uses; its tables are emptied before each pair."""


@dataclass
class Bench:
    """What is measured, where, and the results so far."""

    directory: Path
    rows: int
    runs: int
    large_rows: int
    results: dict[str, Any] = field(default_factory=dict)

    def file(self, kind: str, rows: int | None = None) -> Path:
        """Returns a file of this kind."""
        return files.make(self.directory, kind, rows or self.rows)

    def show(self, title: str, header: list[str], lines: list[list[Any]]) -> None:
        """Prints a table and adds it to the results."""
        self.results[title] = [dict(zip(header, line, strict=True)) for line in lines]
        shown = [header, ["---"] * len(header), *([_text(cell) for cell in line] for line in lines)]
        sys.stdout.write(f"\n### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in shown) + "\n")
        sys.stdout.flush()

    def save(self) -> None:
        """Saves the results so far."""
        (self.directory / "results.json").write_text(json.dumps(self.results, indent=1))


def paired(bench: Bench, stack: Stack) -> None:
    """The import and psql in turn, first into an empty table, then the same file again."""
    rival = psql.Psql(stack.stack.file.conninfos["importer"])
    file = bench.file("plain")
    stack.run(file)  # Everything is warm from here on: worker processes, the page cache, PostgreSQL's own files.
    rivals_by_name: list[tuple[str, Callable[[Path, int], float]]] = [
        ("psql, plain", rival.plain),
        *([(ARROW, partial(rivals.arrow, rival.conninfo))] if rivals.has_arrow() else []),
        ("psql, our upsert", rival.upsert),
        ("psql, our merge", rival.merge),
    ]
    seconds: dict[str, list[float]] = {}
    measured: list[Measured] = []
    for _ in range(bench.runs):
        for label, run in rivals_by_name:
            stack.database.execute(f"{psql.PLAIN_TABLE}; {psql.GRANT}".encode())
            stack.clear()
            for which, operation in zip(("first", "again"), OPERATIONS, strict=True):
                stack.database.execute("checkpoint")
                seconds.setdefault(f"{label}, {which}", []).append(run(file, operation))
        stack.database.execute("drop table plain_product")
        stack.clear()
        for which in ("first", "again"):
            stack.database.execute("checkpoint")
            measured.append(stack.run(file))
            seconds.setdefault(f"import, {which}", []).append(measured[-1].seconds)
    _show_paired(bench, seconds)
    _show_costs(bench, "What the import costs", [("first", each) for each in measured[::2]])
    _show_costs(bench, "What the same file again costs", [("again", each) for each in measured[1::2]])
    # In each run, the same file was loaded again twice by psql and once by an import.
    same = sum(measured[-1].rows[outcome] for outcome in ("updated", "unchanged"))
    updates, in_place = stack.hot_updates(3 * bench.runs * same)
    line = [f"{updates:,}", f"{in_place:,}", f"{in_place / updates:.2%}"]
    bench.show("Updates in place (HOT) when the same file comes again", ["updates", "in place", "share"], [line])


def kinds(bench: Bench, stack: Stack) -> None:
    """Files other than the plain one."""
    lines = []
    for kind, before in (("bare", None), ("quoted", None), ("wide", None), ("changed", "plain")):
        measured = []
        for _ in range(bench.runs):
            stack.clear()
            if before:
                stack.run(bench.file(before))
            stack.database.execute("checkpoint")
            measured.append(stack.run(bench.file(kind)))
        size_mb = bench.file(kind).stat().st_size / 1e6
        seconds = statistics.median(each.seconds for each in measured)
        lines.append([kind, size_mb, seconds, bench.rows / seconds, size_mb / seconds, _receipt(measured[-1])])
    bench.show("Other files", ["file", "MB", "seconds", "rows/s", "MB/s", "receipt"], lines)


def rejected(bench: Bench, stack: Stack) -> None:
    """A file of which every second row is rejected, paired with the same file without errors."""
    lines = []
    for _ in range(bench.runs):
        stack.clear()
        accepted = stack.run(bench.file("plain")).seconds
        stack.clear()
        half = stack.run(bench.file("half_rejected"))
        lines.append([accepted, half.seconds, half.seconds / accepted, _receipt(half)])
    titles = ["all accepted, s", "half rejected, s", "half rejected ÷ all accepted", "receipt"]
    bench.show("Rejected rows", titles, lines)


def two(bench: Bench, stack: Stack) -> None:
    """Two imports at once. Their files have the same SKUs, and differ in one row of a hundred."""
    lines = []
    for _ in range(bench.runs):
        stack.clear()
        one_alone = stack.run(bench.file("plain")).seconds
        stack.clear()
        both = stack.watch([stack.upload(bench.file("plain")), stack.upload(bench.file("changed"))])
        lines.append([one_alone, *(each.seconds for each in both), max(each.seconds for each in both) / one_alone])
    bench.show("Two imports at once", ["one alone, s", "first of two, s", "second of two, s", "last ÷ alone"], lines)


def large(bench: Bench, stack: Stack) -> None:
    """Ten times as many rows: does a row still cost the same?"""
    lines = []
    for rows in (bench.rows, bench.large_rows):
        stack.clear()
        measured = stack.run(bench.file("plain", rows))
        each_us = measured.seconds / rows * 1e6
        memory = ", ".join(f"{kind} {mib}" for kind, mib in sorted(measured.memory_mib_peak.items()))
        lines.append([f"{rows:,}", measured.seconds, each_us, measured.ahead_chunks_max, memory])
    bench.show("Rows and time", ["rows", "seconds", "µs per row", "chunks ahead, at most", "peak MiB resident"], lines)


def scan(bench: Bench, _stack: Stack) -> None:
    """The splitter and the row rules alone, in memory."""
    lines = []
    for kind in ("bare", "plain", "quoted"):
        speeds = [stages.scan_megabytes_per_second(bench.file(kind)) for _ in range(bench.runs)]
        parsed = [stages.parse_seconds(bench.file(kind)) for _ in range(bench.runs)]
        medians = [statistics.median(each[stage] for each in parsed) for stage in parsed[0]]
        lines.append([kind, bench.file(kind).stat().st_size / 1e6, statistics.median(speeds), *medians])
    header = ["file", "MB", "splitter, MB/s", "decode, parse, validate, s", "encode for COPY, s"]
    bench.show("Splitter and row rules", header, lines)


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
            bench.show(f"Lists of {rows:,} products, index behind", header, search.measure(stack.stack.file))
    indexed = stack.index()
    stack.database.execute("vacuum analyze product_search")
    bench.show(f"Lists of {rows:,} products, index up to date", header, search.measure(stack.stack.file))
    sizes = [
        stack.database.execute("select pg_total_relation_size(%s::text::regclass) / 1e6", [table]).fetchone()
        for table in ("product", "product_search")
    ]
    lines = [[f"{rows:,}", imported, indexed, *(float(size[0]) for size in sizes if size is not None)]]
    bench.show("Indexing for search", ["rows", "import, s", "indexing, s", "product, MB", "search index, MB"], lines)


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


def bulk_deletes(bench: Bench, stack: Stack) -> None:
    """Deleting all products, compared with psql."""
    stack.clear()
    stack.run(bench.file("plain"))
    deletes.save(stack)
    results = deletes.measure(stack, bench.runs)
    deletes.forget(stack)
    lines: list[list[Any]] = []
    for name, each in results.items():
        log = statistics.median(each.log_megabytes) if each.log_megabytes else "–"
        lines.append([name, statistics.median(each.seconds), min(each.seconds), max(each.seconds), log])
    bench.show("Bulk delete", ["what", "median, s", "min", "max", "log, MB"], lines)
    pairs = [(one, other) for other in ("psql, DELETE", "psql, TRUNCATE") for one in results if one.startswith("API")]
    seconds = {name: each.seconds for name, each in results.items()}
    bench.show("Bulk delete: ratios, pair by pair", RATIO_HEADER, _ratios(seconds, pairs))


def webhooks(bench: Bench, stack: Stack) -> None:
    """Latency and rate, also next to slow or silent receivers; and what subscribers cost an import."""
    hooks.deliveries_per_second(stack, MANY_WEBHOOKS)  # Everything is warm from here on.
    lines: list[list[Any]] = []
    header = ["what", "values", "median", "p95", "max", "medians of runs", "p95 of runs"]
    measures = (
        ("idle: commit to first byte, ms", hooks.idle),
        ("POST …/test to its status code, ms", hooks.trials),
        ("flow to 18: commit to first byte, ms", partial(hooks.flow, bad=False)),
        ("the same with a silent and a slow one, ms", partial(hooks.flow, bad=True)),
    )
    # One run of each in turn, so that other load on the machine affects all of them.
    rounds = [[measure(stack) for _, measure in measures] for _ in range(bench.runs)]
    for (name, _), runs in zip(measures, zip(*rounds, strict=True), strict=True):
        every = [value for run in runs for value in run]
        spread = (_range(statistics.median(run) for run in runs), _range(hooks.percentile_95(run) for run in runs))
        lines.append([name, len(every), statistics.median(every), hooks.percentile_95(every), max(every), *spread])
    bench.show("Webhooks: latency", header, lines)
    rates = {
        count: [hooks.deliveries_per_second(stack, count) for _ in range(bench.runs)] for count in (1, MANY_WEBHOOKS)
    }
    lines = [[count, statistics.median(each), min(each), max(each)] for count, each in rates.items()]
    bench.show("Webhooks: deliveries per second, 1,000 events", ["webhooks", "median", "min", "max"], lines)
    _subscribed_imports(bench, stack)


def _subscribed_imports(bench: Bench, stack: Stack) -> None:
    lines = []
    file = bench.file("plain")
    stack.clear()
    stack.run(file)
    for _ in range(bench.runs):
        stack.clear()
        alone = stack.run(file).seconds
        stack.clear()
        with hooks.subscribed_everywhere(stack, MANY_WEBHOOKS) as server:
            subscribed = stack.run(file).seconds
            assert server.wait_for(lambda got: len(got) >= MANY_WEBHOOKS, hooks.IDLE_WAIT_SECONDS_MAX)
        lines.append([alone, subscribed, subscribed / alone])
    header = ["no webhook, s", f"{MANY_WEBHOOKS} webhooks, s", "ratio"]
    bench.show(f"An import of {bench.rows:,} rows with subscribers", header, lines)


def _range(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:,.0f}–{ordered[-1]:,.0f}"


def others(bench: Bench, stack: Stack) -> None:
    """The same file by this importer, psql, pgloader and dlt, in turn."""
    file, owner = bench.file("plain"), stack.stack.file.owner_conninfo
    seconds: dict[str, list[float]] = {}
    for _ in range(bench.runs):
        stack.clear()
        seconds.setdefault("this importer", []).append(stack.run(file).seconds)
        stack.database.execute(psql.PLAIN_TABLE.encode())
        seconds.setdefault("psql, plain upsert", []).append(psql.Psql(owner).plain(file, 1))
        if rivals.has_arrow():
            stack.database.execute(psql.PLAIN_TABLE.encode())
            seconds.setdefault(ARROW, []).append(rivals.arrow(owner, file, 1))
        stack.database.execute(rivals.TABLE)
        for name, run in (("pgloader, insert only", rivals.pgloader), ("dlt, merge into an empty table", rivals.dlt)):
            stack.database.execute("drop schema if exists rival_dlt cascade")
            spent = run(owner, file, bench.directory)
            if spent is not None:
                seconds.setdefault(name, []).append(spent)
    stack.database.execute("drop table plain_product, rival; drop schema if exists rival_dlt cascade")
    lines = [[name, statistics.median(each), min(each), max(each)] for name, each in seconds.items()]
    bench.show("Other importers", ["what", "median, s", "min", "max"], lines)


SCENARIOS: dict[str, Callable[[Bench, Stack], None]] = {
    "paired": paired,
    "kinds": kinds,
    "rejected": rejected,
    "two": two,
    "scan": scan,
    "searches": searches,
    "copying": import_while_indexing,
    "large_searches": large_searches,
    "deletes": bulk_deletes,
    "webhooks": webhooks,
    "large": large,
    "others": others,
}

ALL = [*SCENARIOS, "budget"]

INDEXING = {"searches", "copying", "large_searches"}
"""Scenarios that decide themselves when the catalogue may be indexed."""


def budget(bench: Bench) -> None:
    """Where the time goes, stage by stage, with one worker and no parallelism."""
    from functions.composition import backends

    directory = bench.directory / "services"
    with backing_services(_empty(directory)) as services:
        os.environ.update(services.environment)
        migrations.migrate(services.owner_conninfo)
        from tests.support.pipeline import new_pipeline  # imports app.py, which reads the environment

        pipeline = new_pipeline(services)
        runs = []
        for _ in range(bench.runs):
            pipeline.reset()
            pipeline.sql("checkpoint")
            runs.append(stages.measure(pipeline, bench.file("plain")))
        backends().database.close()
    medians = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    total = sum(medians.values())
    lines = [[stage, seconds, f"{seconds / total:.0%}"] for stage, seconds in medians.items()]
    bench.show("Time by stage, one worker", ["stage", "seconds", "share"], [*lines, ["all", total, "100%"]])


def main(arguments: list[str]) -> int:
    """Runs the measurements. Returns the exit status."""
    options = _parse(arguments)
    directory = Path(os.environ.get("DATA_DIR") or ".local").resolve() / "benchmark"
    directory.mkdir(parents=True, exist_ok=True)
    bench = Bench(directory, options.rows, options.runs, options.large_rows)
    bench.results["machine"] = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    chosen = options.only
    with running_stack(_empty(directory / "stack"), WORKERS=WORKERS) as running:
        stack = Stack(running)
        for name in chosen:
            if name in SCENARIOS:
                with nullcontext() if name in INDEXING else stack.indexing_paused():
                    SCENARIOS[name](bench, stack)
                bench.save()
    if "budget" in chosen:
        budget(bench)
        bench.save()
    sys.stdout.write(f"\nSaved in {directory / 'results.json'}\n")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m tests.benchmark",
        description="Measure imports against psql.",
        make="make bench BENCH_ARGS='--runs 5 --only paired,kinds'",
    )
    parser.add_argument("--rows", type=whole_number(1, ROWS_MAX), default=500_000)
    parser.add_argument("--large-rows", type=whole_number(1, ROWS_MAX), default=5_000_000)
    parser.add_argument("--runs", type=whole_number(1, RUNS_MAX), default=3)
    parser.add_argument("--only", type=_scenarios, default=ALL, help=f"of {', '.join(ALL)}")
    return parser.parse_args(arguments)


def _scenarios(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ALL):
        raise argparse.ArgumentTypeError(f"must be of {', '.join(ALL)}, not {', '.join(sorted(unknown))!r}")
    return names


def _show_paired(bench: Bench, seconds: dict[str, list[float]]) -> None:
    lines = [[label, statistics.median(each), min(each), max(each)] for label, each in seconds.items()]
    bench.show("Seconds", ["what", "median", "min", "max"], lines)
    pairs = (
        ("import, first", "psql, our upsert, first"),
        ("import, first", "psql, our merge, first"),
        ("import, first", "psql, plain, first"),
        ("import, first", f"{ARROW}, first"),
        ("import, again", "import, first"),
        ("import, again", "psql, our upsert, again"),
        ("import, again", "psql, plain, again"),
    )
    bench.show("Ratios, pair by pair", RATIO_HEADER, _ratios(seconds, pairs))


def _ratios(seconds: dict[str, list[float]], pairs: Iterable[tuple[str, str]]) -> list[list[Any]]:
    """Returns the median, lowest and highest ratio of each pair, over values from the same run."""
    lines: list[list[Any]] = []
    for one, other in ((one, other) for one, other in pairs if other in seconds):
        each = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
        lines.append([f"{one} ÷ {other}", statistics.median(each), min(each), max(each)])
    return lines


def _show_costs(bench: Bench, title: str, measured: list[tuple[str, Measured]]) -> None:
    everything = [each for _, each in measured]
    lines: list[list[Any]] = []
    for kind in everything[0].cpu_seconds:
        cpu = statistics.median(each.cpu_seconds.get(kind, 0.0) for each in everything)
        lines.append([f"CPU seconds, {kind}", cpu])
    for kind in everything[0].memory_mib_peak:
        lines.append([f"peak MiB, {kind}", max(each.memory_mib_peak[kind] for each in everything)])
    for name in (
        "first_row_seconds",
        "longest_pause_seconds",
        "split_seconds",
        "ahead_chunks_max",
        "chunks",
        "log_megabytes",
    ):
        lines.append([name.replace("_", " "), statistics.median(getattr(each, name) for each in everything)])
    idle = [1 - each.busy_seconds / (int(WORKERS) * each.seconds) for each in everything]
    lines.append(["share of the workers' time between two chunks", f"{statistics.median(idle):.0%}"])
    bench.show(title, ["what", "median"], lines)
    bench.results.setdefault("raw", []).extend(asdict(each) for each in everything)


def _receipt(measured: Measured) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in measured.rows.items() if count)


def _text(cell: Any) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def _empty(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


if __name__ == "__main__":
    entry.run(main)
