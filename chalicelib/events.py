"""Events: what other systems may want to hear of, recorded in the transaction of the change itself.

The table of events is the outbox. An event that is committed is told; one that is rolled back never was. Whoever
records one has the database announce it after the commit, which wakes the relay; if that is lost, the sweep finds it.
"""

from __future__ import annotations

import json
import uuid
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.backends.database import Transaction
from chalicelib.errors import NotFound
from chalicelib.limits import EVENT_DESCRIPTION_BYTES_MAX

VERSION = 1
"""Of the payloads. A field may come any time; one that goes, or means something else, makes it 2."""
EVERY_TYPE = "*"
TEST_TYPE = "webhook.test"


@dataclass(frozen=True)
class EventType:
    """A type of event, for people who write receivers. `example` is what stands under `data`."""

    name: str
    description: str
    example: Mapping[str, Any]


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
    "attempt": 1,
    "rows": {"total": 5, "created": 2, "updated": 1, "unchanged": 1, "superseded": 0, "rejected": 1},
    "error": None,
}
_FAILED_IMPORT = {
    **_IMPORT,
    "status": "failed",
    "error": {"code": "split_failed", "message": "The file could not be read to its end.", "retryable": True},
}

TYPES = (
    EventType("product.created", "A product was made by hand. Imports tell of themselves, once each.", _PRODUCT),
    EventType("product.updated", "A product was changed by hand, so that its content differs.", _PRODUCT),
    EventType("product.deleted", "A product was deleted by hand.", {"id": "1042", "sku": "H-1"}),
    EventType(
        "products.bulk_deleted",
        "All products were deleted, and their rows are gone.",
        {"id": "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d", "deleted": 500_000},
    ),
    EventType("import.completed", "An import has ended, with this receipt.", _IMPORT),
    EventType("import.failed", "An import has ended early, for this reason.", _FAILED_IMPORT),
)
NAMES = tuple(each.name for each in TYPES)


def record(transaction: Transaction, event_type: str, key: str, data: Mapping[str, Any]) -> None:
    """Records an event with the change it tells of. The key is unique for what happened: it cannot be told twice."""
    transaction.run("add_event", dedupe_key=f"{event_type}:{key}", type=event_type, payload=Jsonb(data))
    transaction.announces = True


def product_data(found: DictRow) -> dict[str, Any]:
    """What an event tells of a product."""
    description = _beginning(found["description"])
    return {
        "id": str(found["id"]),
        "sku": found["sku"],
        "name": found["name"],
        "description": description,
        "description_is_cut": description != found["description"],
        "active": found["active"],
        "created_at": written(found["created_at"]),
        "updated_at": written(found["updated_at"]),
    }


def envelope(event_type: str, created_at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """A whole message, before it is written as JSON."""
    return {"type": event_type, "version": VERSION, "timestamp": written(created_at), "data": data}


def body(found: DictRow) -> bytes:
    """The message as it is sent: the same bytes at every attempt."""
    return _json(envelope(found["type"], found["created_at"], found["payload"]))


def after(transaction: Transaction, event_id: uuid.UUID | None, limit: int) -> list[DictRow]:
    """The next events after one, or from the oldest that is kept, in the order in which the relay saw them.

    Raises NotFound when the event is none of ours, or no longer kept.
    """
    position = 0
    if event_id is not None:
        found = transaction.one("event_position", id=event_id)
        if found is None or found["position"] is None:
            raise NotFound(f"there is no event {event_id}, or it is no longer kept; leave out after for the oldest")
        position = found["position"]
    return transaction.all("events_after", position=position, limit=limit)


def written(moment: datetime) -> str:
    """ISO 8601 in UTC, as everywhere in the API."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _beginning(description: str) -> str:
    """As much of it as fits, measured as it is sent: some characters take six bytes in JSON."""
    if len(_json(description)) <= EVENT_DESCRIPTION_BYTES_MAX:
        return description
    sizes = accumulate(len(_json(character)) for character in description[:EVENT_DESCRIPTION_BYTES_MAX])
    return description[: bisect_right(list(sizes), EVENT_DESCRIPTION_BYTES_MAX)]


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
