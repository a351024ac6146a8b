"""/webhooks: who receives which events, and the state of each receiver."""

from __future__ import annotations

import re
import uuid

from chalice.app import Response

from chalicelib.webhooks import deliveries, webhooks
from functions.api.delivery_models import Delivery
from functions.api.etags import etag_of, strong_tags
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window
from functions.api.routes import PREFIX, Resource, json_text, resource_response
from functions.api.webhook_models import (
    NewWebhook,
    Redelivered,
    Redelivery,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
)
from functions.composition import backends, sending

resource = Resource(__name__)
_TAG = re.compile(r"([0-9]{1,10})-[0-9a-f]+")


@resource.endpoint("GET", "/webhooks", scope="read", query=WindowQuery, answer=Page[Webhook])
def list_webhooks() -> Response:
    """Lists webhooks, newest first."""
    window = read_window(resource)
    with backends().database.transaction() as transaction:
        total = webhooks.count(transaction)
        found = webhooks.page(
            transaction,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
    items = [Webhook.of(each) for each in found]
    return page_response("/webhooks", window, [each.id for each in found], items, Total(total))


def _created_again(webhook_id: str) -> Response:
    """The same answer for a request that is repeated with its idempotency key: the first one may have been lost.

    A later secret belongs to the caller who rotated it, so it is not shown here.
    """
    with backends().database.transaction() as transaction:
        webhook = webhooks.get(transaction, uuid.UUID(webhook_id))
    return _created(webhook, webhooks.secrets_of(sending(), webhook)[0] if webhook.has_first_secret else None)


@resource.endpoint(
    "POST",
    "/webhooks",
    scope="admin",
    body=NewWebhook,
    answer=WebhookWithSecret,
    status=201,
    errors=(409,),
    idempotent=_created_again,
)
def create_webhook() -> Response:
    """Creates a webhook. Its secret is not shown again."""
    body = resource.body(NewWebhook)
    return _created(*webhooks.create(backends().database, sending(), webhooks.NewWebhook(**body.model_dump())))


@resource.endpoint("GET", "/webhooks/{webhook_id}", scope="read", answer=Webhook)
def read_webhook(webhook_id: str) -> Response:
    """Returns a webhook."""
    with backends().database.transaction() as transaction:
        webhook = webhooks.get(transaction, _id(webhook_id))
    return _answer(webhook)


@resource.endpoint("PATCH", "/webhooks/{webhook_id}", scope="admin", body=WebhookChanges, answer=Webhook, errors=(412,))
def change_webhook(webhook_id: str) -> Response:
    """Changes the given fields. A webhook that is switched on is sent its pending deliveries."""
    changes = webhooks.WebhookChanges(**resource.body(WebhookChanges).given())
    return _answer(webhooks.edit(backends(), sending(), _id(webhook_id), changes, _expected()))


@resource.endpoint("DELETE", "/webhooks/{webhook_id}", scope="admin", status=204, errors=(412,))
def delete_webhook(webhook_id: str) -> Response:
    """Deletes a webhook and its delivery log."""
    webhooks.delete(backends().database, _id(webhook_id), _expected())
    return Response(body="", status_code=204)


@resource.endpoint("POST", "/webhooks/{webhook_id}/rotate-secret", scope="admin", answer=WebhookWithSecret)
def rotate_webhook_secret(webhook_id: str) -> Response:
    """Creates a new secret, which is not shown again. For 24 hours the old one signs as well, so you can switch."""
    return _answer_with_secret(*webhooks.rotate_secret(backends().database, sending(), _id(webhook_id)), status=200)


@resource.endpoint(
    "POST",
    "/webhooks/{webhook_id}/test",
    scope="admin",
    answer=Delivery,
    status=202,
    sends=("Location",),
    idempotent=True,
)
def test_webhook(webhook_id: str) -> Response:
    """Sends a test event, even if the webhook is switched off. The delivery shows the result a moment later."""
    delivery = deliveries.send_test(backends(), _id(webhook_id))
    headers = {"Location": f"{PREFIX}/deliveries/{delivery.id}"}
    return resource_response(Delivery.of(delivery), resource.request, status=202, headers=headers)


@resource.endpoint(
    "POST",
    "/webhooks/{webhook_id}/redeliver",
    scope="write",
    body=Redelivery,
    answer=Redelivered,
    status=202,
    errors=(409,),
)
def redeliver_failed(webhook_id: str) -> Response:
    """Sends failed deliveries from a given time on again, with the same event ids."""
    wanted = resource.body(Redelivery)
    count = deliveries.redeliver_failed(backends(), _id(webhook_id), wanted.since)
    return resource_response(Redelivered(redelivered=count), resource.request, status=202)


def _created(webhook: webhooks.Webhook, secret: str | None) -> Response:
    return _answer_with_secret(webhook, secret, status=201, location=f"{PREFIX}/webhooks/{webhook.id}")


def _answer_with_secret(
    webhook: webhooks.Webhook, secret: str | None, *, status: int, location: str | None = None
) -> Response:
    headers = {"ETag": _etag(webhook), **({"Location": location} if location else {})}
    content = WebhookWithSecret.with_secret(webhook, secret)
    return resource_response(content, resource.request, status=status, headers=headers)


def _answer(webhook: webhooks.Webhook) -> Response:
    return resource_response(Webhook.of(webhook), resource.request, headers={"ETag": _etag(webhook)})


def _etag(webhook: webhooks.Webhook) -> str:
    """The revision and a hash of what is shown. A delivery changes only the hash, so it does not prevent an edit."""
    return f'"{webhook.revision}-{etag_of(json_text(Webhook.of(webhook)))[1:17]}"'


def _expected() -> webhooks.Expected:
    tags = strong_tags(resource.request.headers.get("if-match"))
    if tags is None:
        return lambda _: True
    revisions = {matched[1] for tag in tags if (matched := _TAG.fullmatch(tag.strip('"')))}
    return lambda webhook: str(webhook.revision) in revisions


def _id(given: str) -> uuid.UUID:
    return uuid_of(given, "webhook")
