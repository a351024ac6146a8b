"""The JSON of events and their types."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from chalicelib import events
from chalicelib.limits import PAGE_ITEMS_DEFAULT
from functions.api.paging import Limit

_EXAMPLE_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


class Message(BaseModel):
    """The body of a request to a receiver."""

    type: str
    version: int
    timestamp: datetime
    data: dict[str, Any]


class EventType(BaseModel):
    """A type of event."""

    type: str
    description: str
    example: Message

    @classmethod
    def of(cls, event_type: events.EventType) -> EventType:
        """The type with a whole message as its example."""
        example = events.message(event_type.name, _EXAMPLE_TIME, event_type.example)
        return cls(type=event_type.name, description=event_type.description, example=Message(**example))


class EventTypeList(BaseModel):
    """All types of events."""

    items: list[EventType]


class EventQuery(BaseModel):
    """Where to continue."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        uuid.UUID | None, Field(description="The webhook-id of the last event you have; omit it to start at the oldest")
    ] = None
    limit: Limit = PAGE_ITEMS_DEFAULT


class Event(Message):
    """An event that happened. Receivers get its id as webhook-id."""

    id: str

    @classmethod
    def of(cls, event: events.Event) -> Event:
        """The event as its receivers get it, with its id."""
        return cls(id=str(event.id), **event.message())


class EventList(BaseModel):
    """The next events, the oldest first."""

    items: list[Event]
    next: Annotated[
        str | None, Field(description="More events; null at the end: then keep the last id, to continue from it later")
    ]
