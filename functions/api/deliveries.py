"""/deliveries: the log of what was sent to webhooks, and sending again."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from chalice.app import Response
from pydantic import Field

from chalicelib.limits import ATTEMPTS_SHOWN_MAX, DELIVERIES_COUNT_MAX
from chalicelib.webhooks import deliveries, webhooks
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page, read_window
from functions.api.routes import Resource, resource_response
from functions.api.webhook_models import Delivery, DeliveryWithAttempts, shown_delivery, shown_with_attempts
from functions.composition import backends

resource = Resource(__name__)


class DeliveryQuery(WindowQuery):
    """Which deliveries of a webhook are wanted."""

    status: Annotated[Literal["", "pending", "delivered", "failed"] | None, Field(description="Only these")] = None


@resource.endpoint("GET", "/webhooks/{webhook_id}/deliveries", scope="read", query=DeliveryQuery, answer=Page[Delivery])
def list_deliveries(webhook_id: str) -> Response:
    """The deliveries of a webhook, newest first, without their attempts."""
    status = resource.query("status") or None
    window = read_window(resource, kept={"status": status} if status else {})
    limit = window.limit + 1
    with backends().database.transaction() as transaction:
        found = webhooks.get(transaction, uuid_of(webhook_id, "webhook"))
        chosen = {"webhook_id": found["id"], "status": status}
        if window.before is not None:
            before = checked(window.before, uuid.UUID)
            rows = transaction.all("deliveries_after", after=before, limit=limit, **chosen)[::-1]
        else:
            after = checked(window.after, uuid.UUID)
            rows = transaction.all("deliveries_before", before=after, limit=limit, **chosen)
        counted = transaction.one("count_deliveries", limit=DELIVERIES_COUNT_MAX + 1, **chosen)
    count = counted["counted"] if counted else 0
    total = Total(min(count, DELIVERIES_COUNT_MAX), is_estimate=count > DELIVERIES_COUNT_MAX)
    path = f"/webhooks/{found['id']}/deliveries"
    return page(path, window, rows, "id", [shown_delivery(each) for each in rows], total)


@resource.endpoint("GET", "/deliveries/{delivery_id}", scope="read", answer=DeliveryWithAttempts)
def read_delivery(delivery_id: str) -> Response:
    """One delivery: what was sent, and how each attempt was answered."""
    with backends().database.transaction() as transaction:
        found = deliveries.get(transaction, uuid_of(delivery_id, "delivery"))
        attempts = transaction.all("delivery_attempts", id=found["id"], limit=ATTEMPTS_SHOWN_MAX)
    return resource_response(shown_with_attempts(found, attempts), resource.request)


@resource.endpoint(
    "POST", "/deliveries/{delivery_id}/redeliver", scope="write", answer=Delivery, status=202, errors=(409,)
)
def redeliver(delivery_id: str) -> Response:
    """Sends a delivery again, with the same id of its event; its schedule begins anew."""
    again = deliveries.redeliver(backends(), uuid_of(delivery_id, "delivery"))
    return resource_response(shown_delivery(again), resource.request, status=202)
