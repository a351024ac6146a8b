"""/event-types and /events: which events exist, and which happened, for receivers that missed some."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Response

from chalicelib import events
from functions.api.event_models import Event, EventList, EventQuery, EventType, EventTypeList
from functions.api.paging import fitting
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


@resource.endpoint("GET", "/event-types", scope="read", answer=EventTypeList)
def list_event_types() -> Response:
    """Lists the types of events, with an example message of each."""
    items = [EventType.of(each) for each in events.TYPES]
    return resource_response(EventTypeList(items=items), resource.request)


@resource.endpoint("GET", "/events", scope="read", query=EventQuery, answer=EventList, errors=(404,))
def list_events() -> Response:
    """Lists the events after a given one, in order, as long as they are kept: to catch up after an outage."""
    query = resource.parameters(EventQuery)
    with backends().database.transaction() as transaction:
        found = events.after(transaction, query.after, query.limit + 1)
    items = [Event.of(each) for each in found]
    items = items[: min(query.limit, fitting(items))]
    following = None
    if len(found) > len(items):
        following = f"{PREFIX}/events?{urlencode({'after': items[-1].id, 'limit': query.limit})}"
    return resource_response(EventList(items=items, next=following), resource.request)
