"""/webhooks: who is told of which events, and how that goes."""

from __future__ import annotations

import re
import uuid

from chalice.app import Response
from psycopg.rows import DictRow

from chalicelib.webhooks import deliveries, webhooks
from functions.api.etags import etag_of, strong_tags
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page, read_window
from functions.api.routes import PREFIX, Resource, json_text, resource_response
from functions.api.webhook_models import (
    Delivery,
    NewWebhook,
    Redelivered,
    Redelivery,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
    shown,
    shown_delivery,
    shown_with_secret,
)
from functions.composition import backends, sending

resource = Resource(__name__)
_TAG = re.compile(r"([0-9]{1,10})-[0-9a-f]+")


@resource.endpoint("GET", "/webhooks", scope="read", query=WindowQuery, answer=Page[Webhook])
def list_webhooks() -> Response:
    """The webhooks, newest first."""
    window = read_window(resource)
    limit = window.limit + 1
    with backends().database.transaction() as transaction:
        counted = transaction.one("count_webhooks")
        if window.before is not None:
            found = transaction.all("webhooks_after", after=checked(window.before, uuid.UUID), limit=limit)[::-1]
        else:
            found = transaction.all("webhooks_before", before=checked(window.after, uuid.UUID), limit=limit)
    total = Total(counted["total"] if counted else 0)
    return page("/webhooks", window, found, "id", [shown(each) for each in found], total)


def _made_again(webhook_id: str) -> Response:
    """For whoever repeats the request that made it, with its key: the first answer may have been lost."""
    with backends().database.transaction() as transaction:
        found = webhooks.get(transaction, uuid.UUID(webhook_id))
    return _made(found, webhooks.secrets_of(sending(), found)[0])


@resource.endpoint(
    "POST",
    "/webhooks",
    scope="write",
    body=NewWebhook,
    answer=WebhookWithSecret,
    status=201,
    errors=(409,),
    idempotent=_made_again,
)
def create_webhook() -> Response:
    """A new webhook. Its secret is shown this once."""
    body = resource.body(NewWebhook)
    return _made(*webhooks.create(backends().database, sending(), webhooks.NewWebhook(**body.model_dump())))


@resource.endpoint("GET", "/webhooks/{webhook_id}", scope="read", answer=Webhook)
def read_webhook(webhook_id: str) -> Response:
    """One webhook."""
    with backends().database.transaction() as transaction:
        found = webhooks.get(transaction, _id(webhook_id))
    return _answer(found)


@resource.endpoint("PATCH", "/webhooks/{webhook_id}", scope="write", body=WebhookChanges, answer=Webhook, errors=(412,))
def change_webhook(webhook_id: str) -> Response:
    """Writes the given fields. One that is switched on gets what has waited for it."""
    changes = webhooks.WebhookChanges(**resource.body(WebhookChanges).given())
    return _answer(webhooks.edit(backends(), sending(), _id(webhook_id), changes, _expected()))


@resource.endpoint("DELETE", "/webhooks/{webhook_id}", scope="write", status=204, errors=(412,))
def delete_webhook(webhook_id: str) -> Response:
    """Deletes a webhook, with the log of its deliveries."""
    webhooks.delete(backends().database, _id(webhook_id), _expected())
    return Response(body="", status_code=204)


@resource.endpoint("POST", "/webhooks/{webhook_id}/rotate-secret", scope="write", answer=WebhookWithSecret)
def rotate_webhook_secret(webhook_id: str) -> Response:
    """A new secret, shown this once. The old one signs along for 24 hours, so that receivers can change over."""
    return _answer_with_secret(*webhooks.rotate_secret(backends().database, sending(), _id(webhook_id)), status=200)


@resource.endpoint(
    "POST",
    "/webhooks/{webhook_id}/test",
    scope="write",
    answer=Delivery,
    status=202,
    sends=("Location",),
    idempotent=True,
)
def test_webhook(webhook_id: str) -> Response:
    """Sends a test event, switched on or not. How it went is in the delivery, a moment later."""
    made = deliveries.send_test(backends(), _id(webhook_id))
    headers = {"Location": f"{PREFIX}/deliveries/{made['id']}"}
    return resource_response(shown_delivery(made), resource.request, status=202, headers=headers)


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
    """Sends again what has failed since a time, with the same ids."""
    wanted = resource.body(Redelivery)
    count = deliveries.redeliver_failed(backends(), _id(webhook_id), wanted.since)
    return resource_response(Redelivered(redelivered=count), resource.request, status=202)


def _made(found: DictRow, secret: str) -> Response:
    return _answer_with_secret(found, secret, status=201, location=f"{PREFIX}/webhooks/{found['id']}")


def _answer_with_secret(found: DictRow, secret: str, *, status: int, location: str | None = None) -> Response:
    headers = {"ETag": _etag(found), "Cache-Control": "no-store", **({"Location": location} if location else {})}
    return resource_response(shown_with_secret(found, secret), resource.request, status=status, headers=headers)


def _answer(found: DictRow) -> Response:
    return resource_response(shown(found), resource.request, headers={"ETag": _etag(found)})


def _etag(found: DictRow) -> str:
    """What people chose, and beside it all that is shown: a delivery changes what is shown, but forbids no edit."""
    return f'"{found["revision"]}-{etag_of(json_text(shown(found)))[1:17]}"'


def _expected() -> webhooks.Expected:
    tags = strong_tags(resource.request.headers.get("if-match"))
    if tags is None:
        return lambda _: True
    revisions = {matched[1] for tag in tags if (matched := _TAG.fullmatch(tag.strip('"')))}
    return lambda found: str(found["revision"]) in revisions


def _id(given: str) -> uuid.UUID:
    return uuid_of(given, "webhook")
