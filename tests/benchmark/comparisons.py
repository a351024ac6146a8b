"""Imports through the public API of stacks as `make run` starts them, beside other programs on an idle server.

Each of these has servers and stacks of its own, and stops them at the end.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from infra.local.testing import running_checkout, running_stack
from infra.project import ROOT
from tests.benchmark import base, files, rivals, sides, turns
from tests.benchmark.own_server import STACK_SETTINGS, own_server
from tests.benchmark.report import RATIO_HEADER, WORKERS, Bench, emptied, quotients, ratios, spread
from tests.benchmark.sides import Sample, ShippedStack, Side
from tests.benchmark.turns import AGAIN, FIRST, Samples

WARM_ROWS = 20_000
OURS, BASE, PSQL, ARROW = "import", "base", "psql, plain", "pyarrow and pgpq, plain"
BY_CPU = "least by CPU seconds"
ASKED = "from the request to the receipt"
PSQL_SETTINGS, PSQL_BESIDE = "psql, a server with the stack's settings", "psql, the stack's server"


def as_shipped(bench: Bench) -> None:
    """The plain file, first and again."""
    with _started(bench) as ways:
        samples = turns.first_and_again(ways, bench.file("plain"), bench.runs)
    _show(bench, "As shipped", samples, bench.rows)
    pairs = [(f"{one}, {which}", f"{other}, {which}") for which in (FIRST, AGAIN) for one, other in PAIRS]
    _show_ratios(bench, "As shipped", samples, pairs)
    _judge(bench, "shipped_first", samples, FIRST, PSQL)
    _judge(bench, "shipped_first_arrow", samples, FIRST, ARROW)
    _judge(bench, "shipped_again", samples, AGAIN, PSQL)
    seconds = _seconds(samples)
    for which in (FIRST, AGAIN):
        if f"{BASE}, {which}" in seconds:
            bench.figures[f"base_{which}"] = quotients(seconds, f"{OURS}, {which}", f"{BASE}, {which}")


def wide(bench: Bench) -> None:
    """A file of 50 columns, of which two are used."""
    with _started(bench) as ways:
        samples = turns.first_and_again(ways, bench.file("wide"), bench.runs, [FIRST])
    _show(bench, "50 columns", samples, bench.rows)
    pairs = [(f"{one}, {FIRST}", f"{other}, {FIRST}") for one, other in PAIRS]
    _show_ratios(bench, "50 columns", samples, pairs)
    _judge(bench, "wide", samples, FIRST, PSQL)


def partial(bench: Bench) -> None:
    """A file of a tenth of the products, in random order and with new names."""
    whole = bench.file("plain", bench.many_rows)
    parts = files.parts(bench.directory, bench.many_rows, bench.runs)
    with _started(bench) as ways:
        samples = turns.changes(ways, whole, parts)
    _show(bench, "A part of the products", samples, bench.many_rows // files.PART_OF)
    _show_ratios(bench, "A part of the products", samples, PAIRS)
    _judge(bench, "partial", samples, None, PSQL)


def servers(bench: Bench) -> None:
    """psql on different servers beside the import: how much of a ratio is due to the server?"""
    with ExitStack() as started:
        own = started.enter_context(own_server(emptied(bench.directory / "own")))
        tuned = started.enter_context(own_server(emptied(bench.directory / "tuned"), STACK_SETTINGS))
        stack = started.enter_context(running_stack(emptied(bench.directory / "shipped"), WORKERS=WORKERS))
        ways: dict[str, Side] = {
            PSQL: sides.psql_on(own),
            PSQL_SETTINGS: sides.psql_on(tuned),
            PSQL_BESIDE: sides.psql_beside(stack.file),
            OURS: ShippedStack(stack, ROOT),
        }
        _warm(bench, ways)
        samples = turns.first_and_again(ways, bench.file("plain"), bench.runs)
    _show(bench, "Servers", samples, bench.rows)
    pairs = [
        (f"{one}, {which}", f"{other}, {which}")
        for which in (FIRST, AGAIN)
        for one, other in (*((OURS, each) for each in (PSQL, PSQL_SETTINGS, PSQL_BESIDE)), (PSQL_BESIDE, PSQL))
    ]
    _show_ratios(bench, "Servers", samples, pairs)


PAIRS = ((OURS, PSQL), (OURS, ARROW), (ARROW, PSQL), (OURS, BASE), (BASE, PSQL))


@contextmanager
def _started(bench: Bench) -> Iterator[dict[str, Side]]:
    """Starts a stack of this version, one of the base if there is one, and a server for the other programs."""
    with ExitStack() as started:
        server = started.enter_context(own_server(emptied(bench.directory / "own")))
        ways: dict[str, Side] = {PSQL: sides.psql_on(server)}
        if rivals.has_arrow():
            ways[ARROW] = sides.arrow_on(server)
        projects = {OURS: ROOT}
        if bench.base is not None:
            projects[BASE] = started.enter_context(base.checkout(bench.base, bench.directory))
        for name, project in projects.items():
            directory = emptied(bench.directory / f"shipped-{name}")
            stack = started.enter_context(running_checkout(project, directory, {"WORKERS": WORKERS}))
            ways[name] = ShippedStack(stack, project)
        _warm(bench, ways)
        yield ways


def _warm(bench: Bench, ways: dict[str, Side]) -> None:
    """Imports a small file on each: worker processes have started, and files are in memory."""
    for side in ways.values():
        side.clear()
        side.run(bench.file("plain", min(bench.rows, WARM_ROWS)))


def _judge(bench: Bench, key: str, samples: Samples, which: str | None, other: str) -> None:
    """Adds the figures of a goal, for this version and for the base."""
    seconds = _seconds(samples)
    ending = f", {which}" if which else ""
    for name, figures in ((OURS, bench.figures), (BASE, bench.base_figures)):
        if name + ending in seconds and other + ending in seconds:
            figures[key] = quotients(seconds, name + ending, other + ending)


def _seconds(samples: Samples) -> dict[str, list[float]]:
    return {name: [each.seconds for each in found] for name, found in samples.items()}


def _show(bench: Bench, title: str, samples: Samples, rows: int) -> None:
    """Shows times, write-ahead log and CPU seconds of each side."""
    header = ["what", "median, s", "min", "max", f"{ASKED}, s", "log, bytes per row", "processors used by others"]
    lines: list[list[Any]] = []
    for name, found in samples.items():
        asked = statistics.median(each.asked_seconds for each in found)
        log = f"{statistics.median(each.log_bytes for each in found) / rows:,.0f}"
        others = f"{statistics.median(each.other_share for each in found):.0%}"
        lines.append([name, *spread([each.seconds for each in found]), asked, log, others])
    bench.show(title, header, lines)
    groups = list(dict.fromkeys(group for found in samples.values() for group in found[0].cpu_seconds))
    lines = [[name, *_cpu(found, groups)] for name, found in samples.items()]
    bench.show(f"{title}: CPU seconds", ["what", *groups, "all"], lines)


def _show_ratios(bench: Bench, title: str, samples: Samples, pairs: Sequence[tuple[str, str]]) -> None:
    """Shows ratios of times; and of CPU seconds, which depend less on what else the machine does."""
    asked = {f"{name}, {ASKED}": [each.asked_seconds for each in found] for name, found in samples.items()}
    of_stacks = [(one, other) for one, other in pairs if _is_of_stack(samples.get(one, ())) and other in samples]
    lines = ratios(_seconds(samples), pairs)
    lines += ratios(_seconds(samples) | asked, [(f"{one}, {ASKED}", other) for one, other in of_stacks])
    by_cpu = {f"{name}, {BY_CPU}": _least_seconds(found) for name, found in samples.items()}
    lines += ratios(by_cpu, [(f"{one}, {BY_CPU}", f"{other}, {BY_CPU}") for one, other in of_stacks])
    bench.show(f"{title}: ratios, pair by pair", RATIO_HEADER, lines)


def _is_of_stack(samples: Sequence[Sample]) -> bool:
    return any("functions" in each.cpu_seconds for each in samples)


def _least_seconds(samples: Sequence[Sample]) -> list[float]:
    """Returns the times if no processor waits: a stack uses them all, and another program one."""
    used = os.cpu_count() or 1 if _is_of_stack(samples) else 1
    return [sum(each.cpu_seconds.values()) / used for each in samples]


def _cpu(samples: Sequence[Sample], groups: Sequence[str]) -> list[float | str]:
    medians = [
        statistics.median(each.cpu_seconds[group] for each in samples) if group in samples[0].cpu_seconds else None
        for group in groups
    ]
    whole = statistics.median(sum(each.cpu_seconds.values()) for each in samples)
    return [*("–" if median is None else median for median in medians), whole]
