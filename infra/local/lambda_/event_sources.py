"""The pools of all functions, and what invokes them besides HTTP: one poller per queue, one scheduler per rule."""

from __future__ import annotations

from collections.abc import Callable

from infra.local.aws import Endpoint
from infra.local.lambda_.poller import LONG_POLL_SECONDS, QueuePoller
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.scheduler import Scheduler
from infra.local.lambda_.triggers import API_FUNCTION, Wiring
from infra.local.lambda_.zygote_client import ZygoteClient
from infra.local.processes.deadline import Deadline

API_WORKERS_MIN = 2
WAITING_WORKERS = {"deliver_webhook": 10}
"""Functions that mostly wait for other servers: the number of processors does not limit how many may run."""
STOP_SECONDS_MAX = 3.0
"""The time that current invocations have to finish when the stack stops."""


class EventSources:
    """One pool per function, so that no function waits for another; one poller or scheduler per trigger."""

    def __init__(
        self,
        zygote: ZygoteClient,
        endpoint: Endpoint,
        workers: int,
        warn: Callable[[str], None],
        *,
        long_poll_seconds: int = LONG_POLL_SECONDS,
    ) -> None:
        wiring = zygote.wiring
        sizes = pool_sizes(wiring, workers)
        self.pools = {name: Pool(zygote, wiring.function(name), size) for name, size in sizes.items()}
        self._pollers = [
            QueuePoller(endpoint, source, self.pools[source.function], warn, long_poll_seconds=long_poll_seconds)
            for source in wiring.queues
        ]
        self._schedulers = [Scheduler(source, self.pools[source.function]) for source in wiring.schedules]

    def start(self) -> None:
        """Warms up every function, then starts to poll."""
        for pool in self.pools.values():
            pool.warm_up()
        for poller in self._pollers:
            poller.start()
        for scheduler in self._schedulers:
            scheduler.start()

    def stop(self) -> None:
        """Stops polling, gives current invocations a moment to finish, and ends the rest: queues repeat them."""
        for poller in self._pollers:
            poller.stop()
        for scheduler in self._schedulers:
            scheduler.stop()
        grace = Deadline(STOP_SECONDS_MAX)
        for poller in self._pollers:
            poller.join(grace.remaining())
        for scheduler in self._schedulers:
            scheduler.join(grace.remaining())
        for pool in self.pools.values():
            pool.stop()


def pool_sizes(wiring: Wiring, workers: int) -> dict[str, int]:
    """How many invocations of each function may run at the same time."""
    sizes = {source.function: 1 for source in wiring.schedules}
    for source in wiring.queues:
        at_once = max(workers, WAITING_WORKERS.get(source.function, 0))
        sizes[source.function] = min(source.maximum_concurrency or at_once, at_once)
    if any(function.name == API_FUNCTION for function in wiring.functions):
        sizes[API_FUNCTION] = max(API_WORKERS_MIN, workers)
        if wiring.authorizer is not None:
            sizes[wiring.authorizer] = sizes[API_FUNCTION]
    return sizes
