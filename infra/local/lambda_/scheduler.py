"""Runs a function on a schedule, with the event that EventBridge sends."""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local.aws import ACCOUNT_ID, REGION
from infra.local.errors import FunctionFailed, ScheduleError
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.triggers import ScheduleSource

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)", re.IGNORECASE)

_logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Scheduler:
    """One schedule, which starts with the stack. Runs that were due while the stack was off are skipped."""

    def __init__(self, source: ScheduleSource, pool: Pool, now: Callable[[], datetime] = _now) -> None:
        self._source = source
        self._interval = interval(source.expression)
        self._pool = pool
        self._now = now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{source.function}", daemon=True)

    def start(self) -> None:
        """Invokes until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Starts no further invocation."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Waits at most this long for the current invocation."""
        self._thread.join(seconds)

    def _run(self) -> None:
        due = self._now()
        while not self._stopping.wait(max(0.0, (due - self._now()).total_seconds())):
            # If the clock was set or the machine slept, several runs may be overdue: one invocation replaces them.
            if self._now() >= due:
                self._invoke(due)
                due = max(due + self._interval, self._now())

    def _invoke(self, due: datetime) -> None:
        if not self._pool.acquire(0):
            return
        try:
            self._pool.invoke(event(self._source.function, due))
        except FunctionFailed as error:
            # The function's own log has it already; the next run is the retry.
            _logger.info("%s", error)
        finally:
            self._pool.release()


def interval(expression: str) -> timedelta:
    """The time between two runs, from EventBridge's rate(5 minutes). Raises ScheduleError, also for cron(…)."""
    match = RATE.fullmatch(expression)
    if match is None:
        raise ScheduleError(f"the local stack does not support the schedule {expression!r}: use rate(…)")
    if not int(match[1]):
        raise ScheduleError(f"the schedule {expression!r} needs an interval of at least 1 {match[2].lower()}")
    return timedelta(**{f"{match[2].lower()}s": int(match[1])})


def event(rule: str, due: datetime) -> dict[str, Any]:
    """A scheduled event."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule}"],
        "detail": {},
    }
