"""When schedules fire."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.local.lambda_.schedule_expression import ScheduleError, parse

NOW = datetime(2026, 2, 27, 10, 7, 30, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", "2026-02-27T10:08:30"),
        ("rate(2 HOURS)", "2026-02-27T12:07:30"),
        ("rate(3 days)", "2026-03-02T10:07:30"),
        ("cron(* * * * ? *)", "2026-02-27T10:08:00"),
        ("cron(0/15 * * * ? *)", "2026-02-27T10:15:00"),
        ("cron(5 10 * * ? *)", "2026-02-28T10:05:00"),
        ("cron(0 8 1 * ? *)", "2026-03-01T08:00:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-02-27T18:00:00"),
        ("cron(0 8 ? * 2,4 *)", "2026-03-02T08:00:00"),
        ("cron(0 0 29 FEB ? *)", "2028-02-29T00:00:00"),
        ("cron(59 23 31 12 ? 2026-2030/2)", "2026-12-31T23:59:00"),
    ],
)
def test_next_time(expression: str, expected: str) -> None:
    assert parse(expression).after(NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "rate(0 minutes)",
        "rate(1 week)",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(60 * * * ? *)",
        "cron(0 0 L * ? *)",
    ],
)
def test_what_is_not_understood_is_an_error(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse(expression)


def test_a_day_that_never_comes_is_an_error() -> None:
    with pytest.raises(ScheduleError, match="never"):
        parse("cron(0 0 30 2 ? *)").after(NOW)
