"""Runs a function on a schedule, with the event that EventBridge sends."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.aws import ACCOUNT_ID, REGION
from infra.local.lambda_ import schedule_expression
from infra.local.lambda_.execution_environment import InvocationFailed
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.schedule_expression import Rate
from infra.local.lambda_.triggers import ScheduleSource

_logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Scheduler:
    """One rule. A rate starts with the stack; what a stack missed while it was off is not made up for."""

    def __init__(self, source: ScheduleSource, pool: Pool, now: Callable[[], datetime] = _now) -> None:
        self._source = source
        self._schedule = schedule_expression.parse(source.expression)
        self._pool = pool
        self._now = now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{source.function}", daemon=True)

    def start(self) -> None:
        """Invokes until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Invokes no more."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Waits for an invocation under way, at most so long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        due = self._now()
        if not isinstance(self._schedule, Rate):
            due = self._schedule.after(due)
        while not self._stopping.wait(max(0.0, (due - self._now()).total_seconds())):
            # The clock may have been set, or the machine asleep: one invocation is enough for all that were missed.
            if self._now() >= due:
                self._invoke(due)
                due = max(self._schedule.after(due), self._now())

    def _invoke(self, due: datetime) -> None:
        with_right = self._pool.acquire(0)
        if not with_right:
            return
        try:
            self._pool.invoke(event(self._source.function, due))
        except InvocationFailed as error:
            # In the function's log already; the next time is the retry.
            _logger.info("%s", error)
        finally:
            self._pool.release()


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
