"""The outbox: events that other systems may want to know about, recorded in the transaction of the change itself.

An event whose transaction commits is sent; one whose transaction rolls back never existed. After the commit the
database wakes the relay. If that wake-up is lost, the sweep repeats it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from chalicelib.backends.database import Transaction
from chalicelib.errors import NotFound

VERSION = 1
"""The version of the format of `data`. New fields do not change it; removing a field, or changing its meaning, does."""
EVERY_TYPE = "*"
TEST_TYPE = "webhook.test"


@dataclass(frozen=True)
class EventType:
    """A type of event, described for people who write receivers. `example` is the `data` of a message."""

    name: str
    description: str
    example: Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """An event as it was recorded. `payload` is the `data` of its message."""

    id: uuid.UUID
    type: str
    payload: dict[str, Any]
    created_at: datetime

    def message(self) -> dict[str, Any]:
        """The message that receivers get, before it is written as JSON."""
        return message(self.type, self.created_at, self.payload)

    def body(self) -> bytes:
        """The body of the request to a receiver: the same bytes at every attempt."""
        return _json(self.message())


@dataclass(frozen=True)
class _Position:
    position: int | None
    """Its place in the order of events; None until it is relayed, and always for a test."""


_PRODUCT = {
    "id": "1042",
    "sku": "H-1",
    "name": "Hammer",
    "description": "Ash handle.",
    "description_is_cut": False,
    "active": True,
    "created_at": "2026-11-24T09:30:00Z",
    "updated_at": "2026-11-24T09:30:00Z",
}
_IMPORT = {
    "id": "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d",
    "filename": "products.csv",
    "status": "completed",
    "outcome": "completed_with_rejected_rows",
    "summary": "Completed with 1 rejected row",
    "attempt": 1,
    "rows": {"total": 5, "created": 2, "updated": 1, "unchanged": 1, "superseded": 0, "rejected": 1},
    "error": None,
}
_FAILED_IMPORT = {
    **_IMPORT,
    "status": "failed",
    "outcome": "failed",
    "summary": "Failed after 3 rows were written",
    "error": {"code": "split_failed", "message": "The file could not be read to its end.", "retryable": True},
}

TYPES = (
    EventType(
        "product.created", "A product was created manually. Imports send one event of their own instead.", _PRODUCT
    ),
    EventType("product.updated", "A product was edited manually, and its content changed.", _PRODUCT),
    EventType("product.deleted", "A product was deleted manually.", {"id": "1042", "sku": "H-1"}),
    EventType(
        "products.bulk_deleted",
        "All products were deleted, and their rows have been removed.",
        {"id": "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d", "deleted": 500_000},
    ),
    EventType(
        "import.completed",
        "An import completed. `outcome` says whether every row was accepted, and `rows` contains the counts.",
        _IMPORT,
    ),
    EventType("import.failed", "An import failed. `error` contains the reason.", _FAILED_IMPORT),
)
NAMES = tuple(each.name for each in TYPES)


def record(transaction: Transaction, event_type: str, key: str, data: Mapping[str, Any]) -> None:
    """Records an event in the transaction of its change. The key is unique per change, so none is recorded twice."""
    transaction.run("add_event", dedupe_key=f"{event_type}:{key}", type=event_type, payload=Jsonb(data))
    transaction.announces = True


def message(event_type: str, created_at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """The message that receivers get, before it is written as JSON."""
    return {"type": event_type, "version": VERSION, "timestamp": written(created_at), "data": data}


def after(transaction: Transaction, event_id: uuid.UUID | None, limit: int) -> list[Event]:
    """Returns the events after this one, or from the oldest that is kept, in the order in which they were relayed.

    Raises NotFound when there is no such event, or it is no longer kept.
    """
    position = 0
    if event_id is not None:
        event = transaction.one("event_position", _Position, id=event_id)
        if event is None or event.position is None:
            raise NotFound(f"there is no event {event_id}, or it is no longer kept; omit after to start at the oldest")
        position = event.position
    return transaction.all("events_after", Event, position=position, limit=limit)


def written(moment: datetime) -> str:
    """ISO 8601 in UTC, as everywhere in the API."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
