"""/deliveries: the log of what was sent to webhooks, and sending again."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from chalice.app import Response
from pydantic import Field

from chalicelib.limits import DELIVERIES_COUNT_MAX
from chalicelib.webhooks import deliveries, webhooks
from functions.api.delivery_models import Delivery, DeliveryWithAttempts
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window
from functions.api.routes import Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


class DeliveryQuery(WindowQuery):
    """Which deliveries of a webhook to list."""

    status: Annotated[
        Literal["", "pending", "delivered", "failed"] | None, Field(description="Only deliveries with this status")
    ] = None


@resource.endpoint("GET", "/webhooks/{webhook_id}/deliveries", scope="read", query=DeliveryQuery, answer=Page[Delivery])
def list_deliveries(webhook_id: str) -> Response:
    """Lists the deliveries of a webhook without their attempts, newest first."""
    status = resource.parameters(DeliveryQuery).status or None
    window = read_window(resource, kept={"status": status} if status else {})
    with backends().database.transaction() as transaction:
        webhook = webhooks.get(transaction, uuid_of(webhook_id, "webhook"))
        found = deliveries.page(
            transaction,
            webhook.id,
            status,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
        count = deliveries.count(transaction, webhook.id, status)
    total = Total(min(count, DELIVERIES_COUNT_MAX), is_estimate=count > DELIVERIES_COUNT_MAX)
    items = [Delivery.of(each) for each in found]
    return page_response(f"/webhooks/{webhook.id}/deliveries", window, [each.id for each in found], items, total)


@resource.endpoint("GET", "/deliveries/{delivery_id}", scope="read", answer=DeliveryWithAttempts)
def read_delivery(delivery_id: str) -> Response:
    """Returns a delivery: what was sent, and the response to each attempt."""
    with backends().database.transaction() as transaction:
        delivery = deliveries.get(transaction, uuid_of(delivery_id, "delivery"))
        attempts = deliveries.attempts(transaction, delivery.id)
    return resource_response(DeliveryWithAttempts.with_attempts(delivery, attempts), resource.request)


@resource.endpoint(
    "POST", "/deliveries/{delivery_id}/redeliver", scope="write", answer=Delivery, status=202, errors=(409,)
)
def redeliver(delivery_id: str) -> Response:
    """Sends a delivery again, with the same event id. Its retry schedule starts again."""
    again = deliveries.redeliver(backends(), uuid_of(delivery_id, "delivery"))
    return resource_response(Delivery.of(again), resource.request, status=202)
