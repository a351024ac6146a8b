"""How many requests a token may send: an allowance in the database, which all execution environments share.

It refills continuously, so a client that was refused can continue after a second, and there is no moment at which all
clients start again. A transaction of its own, so that no row is locked while the request itself runs.
"""

from __future__ import annotations

import uuid

from chalicelib.backends.database import Database
from chalicelib.errors import TooMany
from chalicelib.limits import REQUEST_RETRY_SECONDS, REQUESTS_PER_TOKEN_PER_MINUTE_MAX

PERIOD_SECONDS = 60


def take(database: Database, token_id: uuid.UUID) -> None:
    """Takes one request from what the token may send. Raises TooMany when none is left, Transient."""
    with database.transaction() as transaction:
        taken = transaction.run(
            "take_request",
            token_id=token_id,
            period_seconds=PERIOD_SECONDS,
            request_seconds=PERIOD_SECONDS / REQUESTS_PER_TOKEN_PER_MINUTE_MAX,
        )
    if not taken:
        raise TooMany(
            f"this token has sent more than {REQUESTS_PER_TOKEN_PER_MINUTE_MAX:,} requests within a minute; "
            "wait a second, and send fewer at a time",
            code="too_many_requests",
            retry_after_seconds=REQUEST_RETRY_SECONDS,
        )
