"""Imports on one running stack, compared with psql on its server."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmark import fairness, psql, rivals, stages
from tests.benchmark.comparisons import ARROW
from tests.benchmark.imports import Measured, Stack
from tests.benchmark.report import RATIO_HEADER, WORKERS, Bench, quotients, ratios

OPERATIONS = (1, 2)
"""The operation numbers that psql uses; its tables are emptied before each pair."""


MEDIANS = (
    "first_row_seconds",
    "longest_pause_seconds",
    "split_seconds",
    "ahead_chunks_max",
    "chunks",
    "log_megabytes",
)
"""What is shown of an import as the median of all runs."""
SMALL_FILES = 20
"""How many files of 1,000 rows are measured during each kind of other work."""
GOAL_PAIRS = {
    "first": ("import, first", "psql, plain, first"),
    "first_arrow": ("import, first", f"{ARROW}, first"),
    "again": ("import, again", "psql, plain, again"),
}


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
    _show_costs(bench, measured[::2], measured[1::2])
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


def small_files(bench: Bench, stack: Stack) -> None:
    """Files of 1,000 rows while other work runs."""
    stack.clear()
    measured = fairness.measure(stack, bench.directory, bench.many_rows, SMALL_FILES)
    fairness.remove(bench.directory)
    bench.show("Small files while other work runs", fairness.HEADER, [times.line for times in measured])
    alone, *others = (times for times in measured if times.seconds and not times.at_once)
    if others:
        slowest = max(times.p95 for times in others)
        bench.figures["fair_seconds"] = [slowest]
        bench.figures["fair_ratio"] = [slowest / statistics.median(alone.seconds)]


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
    bench.show("Ratios, pair by pair", RATIO_HEADER, ratios(seconds, pairs))
    for key, (one, other) in GOAL_PAIRS.items():
        if other in seconds:
            bench.figures[key] = quotients(seconds, one, other)


def _show_costs(bench: Bench, first: list[Measured], again: list[Measured]) -> None:
    """Shows what an import costs, and what the same file again costs."""
    costs = [_costs(first), _costs(again)]
    names = list(dict.fromkeys(name for each in costs for name in each))
    lines = [[name, *(each.get(name, "–") for each in costs)] for name in names]
    bench.show("What an import costs", ["", "first", "again"], lines)
    bench.results.setdefault("raw", []).extend(asdict(each) for each in (*first, *again))


def _costs(measured: list[Measured]) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    for kind in measured[0].cpu_seconds:
        costs[f"CPU seconds, {kind}"] = statistics.median(each.cpu_seconds[kind] for each in measured)
    # A very short import ends before memory is looked at.
    for kind in dict.fromkeys(kind for each in measured for kind in each.memory_mib_peak):
        costs[f"peak MiB, {kind}"] = max(each.memory_mib_peak.get(kind, 0) for each in measured)
    for name in MEDIANS:
        costs[name.replace("_", " ")] = statistics.median(getattr(each, name) for each in measured)
    idle = statistics.median(1 - each.busy_seconds / (int(WORKERS) * each.seconds) for each in measured)
    return {**costs, "share of the workers' time between two chunks": f"{idle:.0%}"}


def _receipt(measured: Measured) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in measured.rows.items() if count)
