"""How often schedules run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.errors import ScheduleError
from infra.local.lambda_.scheduler import interval


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(2 HOURS)", timedelta(hours=2)),
        ("rate(3 days)", timedelta(days=3)),
    ],
)
def test_a_rate_is_an_interval(expression: str, expected: timedelta) -> None:
    assert interval(expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "does not support the schedule ''"),
        ("rate(0 minutes)", "at least 1 minute"),
        ("rate(1 week)", "does not support"),
        ("cron(0 8 1 * ? *)", "does not support"),
    ],
)
def test_a_schedule_that_the_local_stack_does_not_support_is_an_error(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        interval(expression)
