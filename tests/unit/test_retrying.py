"""The retry schedule on a clock of its own, and what an answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from random import Random

import pytest

from chalicelib.limits import RETRY_AFTER_SECONDS_MAX
from chalicelib.webhooks.retry_schedule import ATTEMPTS_MAX, Verdict, judge, next_delay

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
DOCUMENTED = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]


class Middle(Random):
    """Chance that always hits the middle."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class Edge(Random):
    """Chance that always hits one end."""

    def __init__(self, upper: bool) -> None:
        self._upper = upper
        super().__init__()

    def uniform(self, a: float, b: float) -> float:
        return b if self._upper else a


def run(random: Random) -> list[timedelta]:
    """When each attempt is made, from the first on, by a clock that jumps to what is due."""
    clock = NOW
    attempts = [timedelta()]
    while (delay := next_delay(len(attempts), None, clock, random)) is not None:
        clock += timedelta(seconds=delay)
        attempts.append(clock - NOW)
    return attempts


def test_ten_attempts_in_75_hours_and_35_minutes() -> None:
    attempts = run(Middle())
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(attempts)]
    assert len(attempts) == ATTEMPTS_MAX == 10
    assert waits == DOCUMENTED
    assert attempts[-1] == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize(("upper", "factor"), [(False, 0.8), (True, 1.2)])
def test_chance_moves_a_delay_by_a_fifth_at_most(upper: bool, factor: float) -> None:
    for number, seconds in enumerate(DOCUMENTED, start=1):
        assert next_delay(number, None, NOW, Edge(upper)) == pytest.approx(seconds * factor)


def test_what_failed_together_does_not_come_back_together() -> None:
    random = Random(1)
    delays = [next_delay(3, None, NOW, random) or 0 for _ in range(1_000)]
    assert len(set(delays)) > 990
    assert 1_440 <= min(delays) < 1_500
    assert 2_100 < max(delays) <= 2_160


@pytest.mark.parametrize("number", [10, 11, 1_000])
def test_after_the_last_attempt_there_is_no_other_whatever_the_receiver_asks_for(number: int) -> None:
    assert next_delay(number, "5", NOW, Middle()) is None


def date_in(seconds: int) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 5),
        ("4", 5),
        (date_in(120), 120),
        (date_in(-120), 5),
        (date_in(0), 5),
        ("Tuesday, 24-Nov-26 18:02:00 GMT", 120),
        ("Tue Nov 24 18:02:00 2026", 120),
        ("Tue, 24 Nov 2026 18:02:00 -0000", 120),
        (str(RETRY_AFTER_SECONDS_MAX), RETRY_AFTER_SECONDS_MAX),
        (str(RETRY_AFTER_SECONDS_MAX + 1), RETRY_AFTER_SECONDS_MAX),
        ("9999999999", RETRY_AFTER_SECONDS_MAX),
        (date_in(10 * RETRY_AFTER_SECONDS_MAX), RETRY_AFTER_SECONDS_MAX),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
    ],
)
def test_the_next_attempt_is_never_sooner_than_the_receiver_asks(asked: str, expected: float) -> None:
    assert next_delay(1, asked, NOW, Middle()) == expected


def test_chance_does_not_shorten_what_the_receiver_asks_for() -> None:
    assert next_delay(1, "120", NOW, Edge(upper=False)) == 120


@pytest.mark.parametrize(
    "garbage",
    [
        *["", " ", "soon", "-1", "1.5", "1e9", "٣", "120 s", "0x10", "inf", "nan", "9" * 5_000, "120, 240", "\x00"],
        *["Tue, 99 Nov 2026 18:02:00 GMT", "Tue, 24 Nov 99999 18:02:00 GMT", "2026-11-24T18:02:00Z", "a" * 65_536],
        *["Tue, 24 Nov 2026 99:99:99 GMT", "Tue, 24 Nov 2026 18:02:00 +99999999999999999999"],
    ],
)
def test_a_retry_after_that_is_neither_seconds_nor_a_date_is_ignored(garbage: str) -> None:
    assert next_delay(1, garbage, NOW, Middle()) == 5


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (range(200, 300), Verdict.DELIVERED),
        ([410], Verdict.GONE),
        ([*range(100, 200), *range(300, 410), *range(411, 600), 999, 0, None], Verdict.FAILED),
    ],
)
def test_only_2xx_is_delivered_and_only_410_is_gone(statuses: list[int | None], verdict: Verdict) -> None:
    assert {judge(status) for status in statuses} == {verdict}
