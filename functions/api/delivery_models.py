"""The JSON of deliveries and their attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from chalicelib.limits import ATTEMPTS_SHOWN_MAX
from chalicelib.webhooks import deliveries
from functions.api.paging import fitting


class Delivery(BaseModel):
    """One event for one webhook."""

    id: str
    webhook_id: str
    event_id: Annotated[str, Field(description="What receivers get as webhook-id: the same at every attempt")]
    event_type: str
    status: deliveries.Status
    test: bool
    attempt_count: int
    next_attempt_at: Annotated[
        datetime | None, Field(description="Null if there is none, or while the webhook is switched off")
    ]
    created_at: datetime
    finished_at: datetime | None
    status_code: Annotated[int | None, Field(description="Of the last attempt")]
    milliseconds: Annotated[int | None, Field(description="Of the last attempt")]
    error: Annotated[str | None, Field(description="Of the last attempt, as text")]

    @staticmethod
    def of(delivery: deliveries.Delivery) -> Delivery:
        """The delivery without its attempts."""
        return Delivery(**_fields(delivery))


class Attempt(BaseModel):
    """One attempt at a delivery."""

    number: int
    at: datetime
    milliseconds: int
    status_code: int | None
    error: str | None
    request_headers: dict[str, str]
    response_body: Annotated[str | None, Field(description="Its beginning; bytes that are not UTF-8 are replaced")]

    @classmethod
    def of(cls, attempt: deliveries.Attempt) -> Attempt:
        """The attempt with its response as text."""
        body = attempt.response_body
        return cls(
            number=attempt.number,
            at=attempt.started_at,
            milliseconds=attempt.milliseconds,
            status_code=attempt.status_code,
            error=attempt.error,
            request_headers=attempt.request_headers,
            response_body=None if body is None else body.decode(errors="replace"),
        )


class DeliveryWithAttempts(Delivery):
    """A delivery with everything that was sent and received."""

    request_body: str
    attempts: Annotated[
        list[Attempt], Field(description=f"Newest first, at most {ATTEMPTS_SHOWN_MAX}; fewer if they are long")
    ]

    @classmethod
    def with_attempts(
        cls, delivery: deliveries.Delivery, attempts: Iterable[deliveries.Attempt]
    ) -> DeliveryWithAttempts:
        """The delivery, its request and as many of its attempts as fit into a response."""
        shown = [Attempt.of(each) for each in attempts]
        return cls(
            **_fields(delivery),
            request_body=delivery.event.body().decode(),
            attempts=shown[: fitting(shown)],
        )


def _fields(delivery: deliveries.Delivery) -> Mapping[str, Any]:
    return {
        "id": str(delivery.id),
        "webhook_id": str(delivery.webhook_id),
        "event_id": str(delivery.event_id),
        "event_type": delivery.event_type,
        "status": delivery.status,
        "test": delivery.test,
        "attempt_count": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "created_at": delivery.created_at,
        "finished_at": delivery.finished_at,
        "status_code": delivery.last_status_code,
        "milliseconds": delivery.last_milliseconds,
        "error": delivery.last_error,
    }
