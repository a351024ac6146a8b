"""What an answer to a webhook means, and when the next attempt is due. Pure: the clock and chance are parameters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from random import Random

from chalicelib.limits import RETRY_AFTER_SECONDS_MAX

MINUTE = 60
HOUR = 60 * MINUTE
DELAYS_SECONDS = (
    0,
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""Before the first attempt, the second, and so on: 75 hours and 35 minutes in all."""
ATTEMPTS_MAX = len(DELAYS_SECONDS)
JITTER = 0.2
"""The part of a delay that chance adds or takes at most, so that what failed together does not come back together."""
_GONE = 410
_SECONDS = re.compile(r"[0-9]{1,10}")


class Verdict(Enum):
    """What an attempt led to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"
    """The receiver wants no more of these, ever."""


def judge(status: int | None) -> Verdict:
    """What a status code means; None: there was no answer. Redirects are not followed, so they are failures."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == _GONE else Verdict.FAILED


def next_delay(attempt_number: int, retry_after: str | None, now: datetime, random: Random) -> float | None:
    """Seconds from now until the next attempt, after the failed one of this number (the first is 1); None: no more.

    `retry_after` is the answer's Retry-After: the next attempt is never sooner, up to RETRY_AFTER_SECONDS_MAX.
    """
    if attempt_number >= ATTEMPTS_MAX:
        return None
    scheduled = DELAYS_SECONDS[attempt_number] * random.uniform(1 - JITTER, 1 + JITTER)
    asked = min(_asked_seconds(retry_after, now), RETRY_AFTER_SECONDS_MAX)
    # Chance shortens the schedule only, never what the receiver asked for.
    return max(scheduled, asked)


def _asked_seconds(retry_after: str | None, now: datetime) -> float:
    """What a Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3). Nothing, if it is neither."""
    text = (retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    # A date with -0000 as its zone is read without one; HTTP knows no other zone than GMT.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
