"""/events and /event-types: what can be told, and what was, for whoever missed it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from chalice.app import Response
from pydantic import BaseModel, ConfigDict, Field

from chalicelib import events
from chalicelib.limits import PAGE_ITEMS_DEFAULT
from functions.api.paging import Limit
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)
_EXAMPLE_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


class Message(BaseModel):
    """What receivers get as the body of a request."""

    type: str
    version: int
    timestamp: datetime
    data: dict[str, Any]


class EventTypeAnswer(BaseModel):
    """A type of event."""

    type: str
    description: str
    example: Message


class EventTypeList(BaseModel):
    """All types of events."""

    items: list[EventTypeAnswer]


class EventQuery(BaseModel):
    """Where to go on."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        uuid.UUID | None, Field(description="The last event seen, by its webhook-id; without it, from the oldest on")
    ] = None
    limit: Limit = PAGE_ITEMS_DEFAULT


class Event(Message):
    """An event that happened. Its id is what receivers see as webhook-id."""

    id: str


class EventList(BaseModel):
    """The next events, the oldest first."""

    items: list[Event]
    next: Annotated[str | None, Field(description="For more; null at the end: then keep the last id to go on from")]


@resource.endpoint("GET", "/event-types", scope="read", answer=EventTypeList)
def list_event_types() -> Response:
    """Every type of event, with an example of its message."""
    items = [_type(each) for each in events.TYPES]
    return resource_response(EventTypeList(items=items), resource.request)


@resource.endpoint("GET", "/events", scope="read", query=EventQuery, answer=EventList, errors=(404,))
def list_events() -> Response:
    """What happened after an event, in order, as long as it is kept: to catch up after an outage."""
    query = resource.parameters(EventQuery)
    with backends().database.transaction() as transaction:
        found = events.after(transaction, query.after, query.limit + 1)
    items = [
        Event(id=str(each["id"]), **events.envelope(each["type"], each["created_at"], each["payload"]))
        for each in found[: query.limit]
    ]
    following = None
    if len(found) > query.limit:
        following = f"{PREFIX}/events?{urlencode({'after': items[-1].id, 'limit': query.limit})}"
    return resource_response(EventList(items=items, next=following), resource.request)


def _type(found: events.EventType) -> EventTypeAnswer:
    example = Message(**events.envelope(found.name, _EXAMPLE_TIME, dict(found.example)))
    return EventTypeAnswer(type=found.name, description=found.description, example=example)
