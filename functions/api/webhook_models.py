"""The JSON of webhooks: what clients send, and what they get."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chalicelib import events
from chalicelib.limits import (
    REDELIVERED_MAX,
    URL_CHARACTERS_MAX,
    WEBHOOK_DESCRIPTION_CHARACTERS_MAX,
    WEBHOOK_HEADER_NAME_CHARACTERS_MAX,
    WEBHOOK_HEADER_VALUE_CHARACTERS_MAX,
    WEBHOOK_HEADERS_MAX,
)
from chalicelib.webhooks import webhooks
from functions.api.field_types import NO_NUL, Time, storable_text

_EXAMPLE: dict[str, Any] = {
    "url": "https://shop.example/hooks/products",
    "events": ["product.created", "import.completed"],
    "description": "The shop's search engine",
    "headers": {"X-Shop": "north"},
}


def _known_once(types: list[str]) -> list[str]:
    unknown = [each for each in types if each not in {events.EVERY_TYPE, *events.NAMES}]
    if unknown:
        raise ValueError(f"contains an unknown type; use {', '.join(events.NAMES)}, or * for all types")
    if len(set(types)) < len(types):
        raise ValueError("contains a type twice")
    return types


Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_CHARACTERS_MAX,
        description="Where events are sent with POST. The host must be reachable from the internet; an international "
        "name may be written in Unicode (`müller.example`) or in ASCII (`xn--mller-kva.example`). Everything after the "
        "host must be percent-encoded",
        json_schema_extra={"format": "iri", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\#@/?]+([/?][!-~]*)?$"},
    ),
]
"""The full rules, and the messages, are in `chalicelib/webhooks/outbound/urls.py`; the pattern is for generators."""
EventTypes = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [events.EVERY_TYPE, *events.NAMES]})]],
    Field(
        min_length=1,
        max_length=len(events.NAMES) + 1,
        description="The types of events to send; * means all, including future ones",
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
"""pydantic documents the names that match the pattern, but not that all others are refused."""
# `own_headers` checks names and values, because its messages name the header. What follows describes its rules.
HeaderName = Annotated[
    str,
    Field(
        json_schema_extra={"pattern": rf"^[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{WEBHOOK_HEADER_NAME_CHARACTERS_MAX}}}$"},
    ),
]
HeaderValue = Annotated[
    str,
    Field(
        json_schema_extra={
            "maxLength": WEBHOOK_HEADER_VALUE_CHARACTERS_MAX,
            "pattern": r"^([!-~]([ \t!-~]*[!-~])?)?$",
        }
    ),
]


class NewWebhook(BaseModel):
    """A webhook to create."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    url: Url
    events: EventTypes
    description: Description = ""
    enabled: bool = True
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Field(
            max_length=WEBHOOK_HEADERS_MAX,
            description="Sent with each delivery; values are kept secret",
            json_schema_extra=_NO_OTHER_NAMES,
        ),
    ] = Field(default_factory=dict)


class WebhookChanges(BaseModel):
    """The fields of a webhook to change; all others keep their values."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"enabled": False}]})

    # The defaults make fields optional, and are not used: `given` leaves out what the body does not have.
    url: Url = Field(default_factory=str)
    events: EventTypes = Field(default_factory=list)
    description: Description = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    headers: Annotated[
        dict[HeaderName, HeaderValue | None],
        Field(
            max_length=WEBHOOK_HEADERS_MAX,
            description="All headers; null keeps the stored value. If the URL's scheme, host or port changes, no "
            "stored value is kept: enter all values again",
            json_schema_extra=_NO_OTHER_NAMES,
        ),
    ] = Field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """The fields that the body has."""
        return self.model_dump(exclude_unset=True)


class LastDelivery(BaseModel):
    """The result of the last attempt, not counting tests."""

    status_code: int | None
    milliseconds: int
    at: datetime
    error: str | None

    @classmethod
    def of(cls, webhook: webhooks.Webhook) -> LastDelivery | None:
        """None before the first attempt."""
        if webhook.last_at is None or webhook.last_milliseconds is None:
            return None
        return cls(
            status_code=webhook.last_status_code,
            milliseconds=webhook.last_milliseconds,
            at=webhook.last_at,
            error=webhook.last_error,
        )


class Webhook(BaseModel):
    """A webhook."""

    id: str
    url: str
    description: str
    events: list[str]
    enabled: bool
    disabled_reason: Annotated[
        str | None,
        Field(description="Why it was switched off automatically; null if it is on, or a user switched it off"),
    ]
    headers: Annotated[dict[str, None], Field(description="Names only: values are never shown")]
    failing_since: datetime | None
    last_delivery: LastDelivery | None
    secret_expires_at: Annotated[
        datetime | None, Field(description="Until then the previous secret signs as well; null if it does not")
    ]
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(webhook: webhooks.Webhook) -> Webhook:
        """The webhook without its secret."""
        return Webhook(**_fields(webhook))


class WebhookWithSecret(Webhook):
    """A webhook with its secret, which is not shown again."""

    secret: Annotated[
        str | None,
        Field(
            description="The key with which receivers verify signatures; null if a creation is repeated with its "
            "Idempotency-Key after the secret was rotated"
        ),
    ]

    @classmethod
    def with_secret(cls, webhook: webhooks.Webhook, secret: str | None) -> WebhookWithSecret:
        """The webhook and its secret, for the caller who has just created one of them."""
        return cls(**_fields(webhook), secret=secret)


class Redelivery(BaseModel):
    """Which failed deliveries to send again."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-24T00:00:00Z"}]}
    )

    since: Annotated[Time, Field(description="Deliveries created at this time or later; with a time zone")]


class Redelivered(BaseModel):
    """How many deliveries are sent again."""

    redelivered: Annotated[int, Field(ge=0, description=f"The oldest first, at most {REDELIVERED_MAX:,} per request")]


def _fields(webhook: webhooks.Webhook) -> Mapping[str, Any]:
    return {
        "id": str(webhook.id),
        "url": webhook.url,
        "description": webhook.description,
        "events": webhook.events,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason,
        "headers": dict.fromkeys(webhook.header_names),
        "failing_since": webhook.failing_since,
        "last_delivery": LastDelivery.of(webhook),
        "secret_expires_at": webhook.old_secret_expires_at if webhook.is_rotating else None,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }
