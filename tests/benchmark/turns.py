"""Measures several ways to import a file in turn, so that other load on the machine affects all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmark.sides import Sample, Side

Samples = dict[str, list[Sample]]
FIRST, AGAIN = "first", "again"


def first_and_again(sides: Mapping[str, Side], file: Path, runs: int, which: Sequence[str] = (FIRST, AGAIN)) -> Samples:
    """Imports a file on each side in turn, into an empty table and then again. Returns samples by “side, which”.

    The order rotates, so that no side always comes after the same other one. The search index of a stack may be filled
    during its first import, as shipped; at other times it would compete with the other sides.
    """
    samples: Samples = {f"{name}, {each}": [] for each in which for name in sides}
    for side in sides.values():
        side.clear()
    for number in range(runs):
        for name in rotated(list(sides), number):
            for each in which:
                with _quiet(sides, besides=name if each == FIRST else None):
                    samples[f"{name}, {each}"].append(sides[name].run(file))
            sides[name].clear()  # Now, so that no vacuum follows while another side is measured.
    return samples


def changes(sides: Mapping[str, Side], whole: Path, parts: Sequence[Path]) -> Samples:
    """Imports a whole file on each side, and then each part of it in turn. Returns the samples of the parts by side."""
    samples: Samples = {name: [] for name in sides}
    for side in sides.values():
        side.clear()
    with _quiet(sides):
        for side in sides.values():
            side.run(whole)
            side.vacuum()
        for number, part in enumerate(parts):
            for name in rotated(list(sides), number):
                _checkpoint(sides)
                samples[name].append(sides[name].run(part))
    for side in sides.values():
        side.clear()
    return samples


def rotated(names: Sequence[str], number: int) -> list[str]:
    """Returns the names, beginning with another one each time."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def _checkpoint(sides: Mapping[str, Side]) -> None:
    for side in sides.values():
        side.checkpoint()


@contextmanager
def _quiet(sides: Mapping[str, Side], besides: str | None = None) -> Iterator[None]:
    """Pauses what runs in the background of every side, except one, and writes everything to disk."""
    with ExitStack() as pauses:
        for name, side in sides.items():
            if name != besides:
                pauses.enter_context(side.paused())
        _checkpoint(sides)
        yield
