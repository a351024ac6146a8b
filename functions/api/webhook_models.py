"""A webhook and its deliveries as JSON: what people send, and what they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from psycopg.rows import DictRow
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from chalicelib import events
from chalicelib.limits import (
    URL_CHARACTERS_MAX,
    WEBHOOK_DESCRIPTION_CHARACTERS_MAX,
    WEBHOOK_HEADER_NAME_CHARACTERS_MAX,
    WEBHOOK_HEADER_VALUE_CHARACTERS_MAX,
    WEBHOOK_HEADERS_MAX,
)
from chalicelib.webhooks import webhooks
from functions.api.field_types import NO_NUL, storable_text

_EXAMPLE: dict[str, Any] = {
    "url": "https://shop.example/hooks/products",
    "events": ["product.created", "import.completed"],
    "description": "The shop's search engine",
    "headers": {"X-Shop": "north"},
}


def _known_once(types: list[str]) -> list[str]:
    unknown = [each for each in types if each not in {events.EVERY_TYPE, *events.NAMES}]
    if unknown:
        raise ValueError(f"has a type that does not exist; there are {', '.join(events.NAMES)}, and * for every one")
    if len(set(types)) < len(types):
        raise ValueError("has a type twice")
    return types


def _text(value: object) -> object:
    """pydantic would also take numbers for times, as seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a date and time as text, with a time zone, such as 2026-11-24T09:30:00Z")  # noqa: TRY004
    return value


Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_CHARACTERS_MAX,
        pattern=r"^[!-~]+$",
        description="At an address that everybody on the internet can reach",
    ),
]
EventTypes = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [events.EVERY_TYPE, *events.NAMES]})]],
    Field(
        min_length=1,
        max_length=len(events.NAMES) + 1,
        description="Which events are wanted; * is every one",
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_known_once),
]
Description = Annotated[
    str,
    Field(max_length=WEBHOOK_DESCRIPTION_CHARACTERS_MAX, json_schema_extra={**NO_NUL}),
    AfterValidator(storable_text),
]
_NO_OTHER_NAMES: dict[str, Any] = {"additionalProperties": False}
"""pydantic tells the document what values names like these have, but not that there are no other names."""
HeaderName = Annotated[str, Field(pattern=rf"^[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{WEBHOOK_HEADER_NAME_CHARACTERS_MAX}}}$")]
HeaderValue = Annotated[
    str, Field(max_length=WEBHOOK_HEADER_VALUE_CHARACTERS_MAX, pattern=r"^([!-~]([ \t!-~]*[!-~])?)?$")
]


class NewWebhook(BaseModel):
    """A webhook that is to be."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    url: Url
    events: EventTypes
    description: Description = ""
    enabled: bool = True
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Field(
            max_length=WEBHOOK_HEADERS_MAX,
            description="Sent along with each delivery; values are kept secret",
            json_schema_extra=_NO_OTHER_NAMES,
        ),
    ] = Field(default_factory=dict)


class WebhookChanges(BaseModel):
    """Some of a webhook; what is not given is left alone. The defaults are never used."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"enabled": False}]})

    url: Url = Field(default_factory=str)
    events: EventTypes = Field(default_factory=list)
    description: Description = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    headers: Annotated[
        dict[HeaderName, HeaderValue | None],
        Field(
            max_length=WEBHOOK_HEADERS_MAX,
            description="All of them; null keeps the value that is stored",
            json_schema_extra=_NO_OTHER_NAMES,
        ),
    ] = Field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """The fields that the body has."""
        return self.model_dump(exclude_unset=True)


class LastDelivery(BaseModel):
    """How the last attempt went, whatever it was about."""

    status_code: int | None
    milliseconds: int
    at: datetime
    error: str | None


class Webhook(BaseModel):
    """A webhook, as it is answered."""

    id: str
    url: str
    description: str
    events: list[str]
    enabled: bool
    disabled_reason: Annotated[str | None, Field(description="Why we switched it off; null when a person did")]
    headers: Annotated[dict[str, None], Field(description="Names only: values are never shown again")]
    failing_since: datetime | None
    last_delivery: LastDelivery | None
    secret_expires_at: Annotated[
        datetime | None, Field(description="Until then the secret before this one signs too, beside it")
    ]
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """A webhook with its secret, which is shown this once."""

    secret: Annotated[str, Field(description="For receivers to verify signatures with")]


class Redelivery(BaseModel):
    """Which failed deliveries are wanted again."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-24T00:00:00Z"}]}
    )

    since: Annotated[
        AwareDatetime,
        Field(strict=False, description="Deliveries made since then; with a time zone"),
        BeforeValidator(_text),
    ]


class Redelivered(BaseModel):
    """What is sent again."""

    redelivered: Annotated[int, Field(ge=0, description="How many; the oldest first, and so many at most at a time")]


class Delivery(BaseModel):
    """One event on its way to one webhook."""

    id: str
    webhook_id: str
    event_id: Annotated[str, Field(description="What receivers see as webhook-id: the same at every attempt")]
    event_type: str
    status: Literal["pending", "delivered", "failed"]
    test: bool
    attempt_count: int
    next_attempt_at: Annotated[datetime | None, Field(description="Null when there is none, or the webhook is off")]
    created_at: datetime
    finished_at: datetime | None
    status_code: Annotated[int | None, Field(description="Of the last attempt")]
    milliseconds: Annotated[int | None, Field(description="Of the last attempt")]
    error: Annotated[str | None, Field(description="Of the last attempt, in words")]


class Attempt(BaseModel):
    """One attempt at a delivery."""

    number: int
    at: datetime
    milliseconds: int
    status_code: int | None
    error: str | None
    request_headers: dict[str, str]
    response_body: Annotated[str | None, Field(description="Its beginning; what is no text is replaced")]


class DeliveryWithAttempts(Delivery):
    """A delivery with all that was sent and answered."""

    request_body: str
    attempts: Annotated[list[Attempt], Field(description="The newest first")]


def shown(found: DictRow) -> Webhook:
    """A row of the table as JSON."""
    return Webhook(**_fields(found))


def shown_with_secret(found: DictRow, secret: str) -> WebhookWithSecret:
    """The same with the secret, for whoever has just made it."""
    return WebhookWithSecret(**_fields(found), secret=secret)


def shown_delivery(found: DictRow) -> Delivery:
    """A row of the log as JSON."""
    return Delivery(**_delivery_fields(found))


def shown_with_attempts(found: DictRow, attempts: list[DictRow]) -> DeliveryWithAttempts:
    """The same with its attempts."""
    return DeliveryWithAttempts(
        **_delivery_fields(found),
        request_body=events.body({**found, "created_at": found["event_created_at"]}).decode(),
        attempts=[_attempt(each) for each in attempts],
    )


def _attempt(found: DictRow) -> Attempt:
    answered = found["response_body"]
    return Attempt(
        at=found["started_at"],
        response_body=None if answered is None else bytes(answered).decode(errors="replace"),
        **{name: found[name] for name in ("number", "milliseconds", "status_code", "error", "request_headers")},
    )


def _fields(found: DictRow) -> Mapping[str, Any]:
    last = found["last_at"] and LastDelivery(
        status_code=found["last_status_code"],
        milliseconds=found["last_milliseconds"],
        at=found["last_at"],
        error=found["last_error"],
    )
    same = ("url", "description", "events", "enabled", "disabled_reason", "failing_since", "created_at", "updated_at")
    return {
        "id": str(found["id"]),
        **{name: found[name] for name in same},
        "headers": dict.fromkeys(found["header_names"]),
        "last_delivery": last,
        "secret_expires_at": found["old_secret_expires_at"] if webhooks.is_rotating(found) else None,
    }


def _delivery_fields(found: DictRow) -> Mapping[str, Any]:
    waits = found["status"] == "pending" and (found["enabled"] or found["test"])
    return {
        "id": str(found["id"]),
        "webhook_id": str(found["webhook_id"]),
        "event_id": str(found["event_id"]),
        "event_type": found["type"],
        "status": found["status"],
        "test": found["test"],
        "attempt_count": found["attempts"],
        "next_attempt_at": found["due_at"] if waits else None,
        "created_at": found["created_at"],
        "finished_at": found["finished_at"],
        "status_code": found["last_status_code"],
        "milliseconds": found["last_milliseconds"],
        "error": found["last_error"],
    }
