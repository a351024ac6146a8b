"""Schedules as EventBridge writes them: rate(5 minutes) and cron(minute hour day month weekday year), in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)", re.IGNORECASE)
CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", re.IGNORECASE)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SEARCH_DAYS_MAX = 5 * 366
"""Long enough for the 29th of February."""


class ScheduleError(Exception):
    """The expression is not one that the local stack understands."""


@dataclass(frozen=True)
class Rate:
    """Again and again, starting now."""

    interval: timedelta

    def after(self, moment: datetime) -> datetime:
        """The next time."""
        return moment + self.interval


@dataclass(frozen=True)
class Cron:
    """At every minute that is in all the sets. A set of days or weekdays is None where the other one decides."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """The next time after this one. Raises ScheduleError if there is none."""
        candidate = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = candidate + timedelta(days=SEARCH_DAYS_MAX)
        while candidate < end:
            if not self._on_day(candidate):
                candidate = candidate.replace(hour=0, minute=0) + timedelta(days=1)
            elif candidate.hour not in self.hours:
                candidate = candidate.replace(minute=0) + timedelta(hours=1)
            elif candidate.minute not in self.minutes:
                candidate += timedelta(minutes=1)
            else:
                return candidate
        raise ScheduleError("the schedule never comes")

    def _on_day(self, moment: datetime) -> bool:
        weekday = moment.isoweekday() % 7 + 1
        return (
            moment.year in self.years
            and moment.month in self.months
            and (self.days is None or moment.day in self.days)
            and (self.weekdays is None or weekday in self.weekdays)
        )


def parse(expression: str) -> Rate | Cron:
    """Understands an expression. Raises ScheduleError."""
    if match := RATE.fullmatch(expression):
        interval = timedelta(**{f"{match[2].lower()}s": int(match[1])})
        if not interval:
            raise ScheduleError(f"{expression}: the interval must be at least one {match[2]}")
        return Rate(interval)
    match = CRON.fullmatch(expression)
    if match is None:
        raise ScheduleError(f"{expression!r} is neither rate(…) nor cron(…) with six fields")
    minute, hour, day, month, weekday, year = match.groups()
    if (day == "?") == (weekday == "?"):
        raise ScheduleError(f"{expression}: exactly one of day and weekday must be ?")
    return Cron(
        minutes=_set(minute, 0, 59),
        hours=_set(hour, 0, 23),
        days=None if day == "?" else _set(day, 1, 31),
        months=_set(month, 1, 12, MONTHS),
        weekdays=None if weekday == "?" else _set(weekday, 1, 7, WEEKDAYS),
        years=_set(year, 1970, 2199),
    )


def _set(text: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = least, most
        else:
            start = _number(first, least, most, names)
            # "5/15" means: from 5 on, every 15.
            end = _number(last, least, most, names) if dash else (most if slash else start)
        values.update(range(start, end + 1, _number(step, 1, most, ()) if slash else 1))
    return frozenset(values)


def _number(text: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + 1
    if not text.isdigit() or not least <= int(text) <= most:
        raise ScheduleError(f"{text!r} in a cron expression is not a number from {least} to {most}")
    return int(text)
