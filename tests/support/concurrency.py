"""Several workers at the same time, each with its own connection, as if they were processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from chalicelib.backends import Backends, connect
from chalicelib.settings import settings

MEET_SECONDS_MAX = 30


@contextmanager
def workers(count: int) -> Iterator[list[Backends]]:
    """Yields the backends of `count` workers. Clients are created one after the other, as boto3 requires."""
    created = [connect(settings()) for _ in range(count)]
    try:
        yield created
    finally:
        for each in created:
            each.database.close()


def together(*works: Callable[[], object]) -> None:
    """Starts all at the same moment, each in a thread, and waits for all. Raises the error of the first that failed."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait(MEET_SECONDS_MAX)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result()


def meeting_at(points: Sequence[str], count: int) -> Callable[[str], None]:
    """For `fault_points.switched_on`: a thread that reaches one of the points waits until `count` threads are there."""
    barriers = {point: threading.Barrier(count) for point in points}

    def meet(name: str) -> None:
        if name in barriers:
            barriers[name].wait(MEET_SECONDS_MAX)

    return meet
