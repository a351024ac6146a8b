"""What a receiver's response means, and when the next attempt is due. Pure: clock and randomness are parameters."""

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
"""The waits before the first attempt, the second, and so on: 75 hours and 35 minutes in total."""
ATTEMPTS_MAX = len(DELAYS_SECONDS)
JITTER = 0.2
"""How much of a delay is added or removed at random, so that deliveries that failed together are spread out."""
_GONE = 410
_SECONDS = re.compile(r"[0-9]{1,10}")


class Verdict(Enum):
    """What the response to an attempt means."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"
    """The receiver wants no further deliveries, now or later."""


def judge(status: int | None) -> Verdict:
    """What a status code means; None means no response. Redirects are not followed, so they are failures."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == _GONE else Verdict.FAILED


def next_delay(attempt_number: int, retry_after: str | None, now: datetime, random: Random) -> float | None:
    """Seconds until the next attempt, after this one has failed (the first is number 1); None if it was the last.

    `retry_after` is the response's Retry-After: the next attempt is not made earlier, up to RETRY_AFTER_SECONDS_MAX.
    """
    if attempt_number >= ATTEMPTS_MAX:
        return None
    scheduled = DELAYS_SECONDS[attempt_number] * random.uniform(1 - JITTER, 1 + JITTER)
    asked = min(_asked_seconds(retry_after, now), RETRY_AFTER_SECONDS_MAX)
    # Randomness may shorten the schedule's wait, but not the one that the receiver asked for.
    return max(scheduled, asked)


def _asked_seconds(retry_after: str | None, now: datetime) -> float:
    """The wait in a Retry-After, which is given in seconds or as a date (RFC 9110, 10.2.3). 0 if it is neither."""
    text = (retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    # A date with the zone -0000 is parsed without a zone; in HTTP every date is in GMT.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
