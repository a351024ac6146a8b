"""Every trigger of the Product Importer, in the order data flows. This module binds; it decides nothing."""

from __future__ import annotations

import gc

gc.disable()  # What importing makes is there to stay: to look for garbage in between is an eighth of a cold start.

from typing import Any

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib.settings import queue_name, stage
from functions import authorize as authorizing
from functions import bulk_delete_products as deleting
from functions import deliver_webhook as delivering
from functions import export_products as exporting
from functions import fail_bulk_delete as failing_bulk_delete
from functions import fail_chunk as failing_chunk
from functions import fail_export as failing_export
from functions import fail_upload as failing_upload
from functions import index_products as indexing
from functions import invocations, logs
from functions import manage_tokens as managing_tokens
from functions import migrate as migrating
from functions import relay_events as relaying
from functions import split_upload as splitting
from functions import sweep as sweeping
from functions import upsert_chunk as upserting
from functions.api import bulk_deletes, deliveries, events, exports, health, imports, openapi_route, products, webhooks

logs.configure()
app = Chalice(app_name="product-importer", configure_logs=False)
app.register_middleware(invocations.around, "all")


# --- HTTP: register an upload, watch it, read the catalogue ---------------------------------------------------


@app.authorizer(ttl_seconds=authorizing.AUTHORIZER_TTL_SECONDS)
def authorize(request: AuthRequest) -> AuthResponse:
    return authorizing.authorize(request)


for module in (health, imports, products, bulk_deletes, exports, webhooks, deliveries, events, openapi_route):
    app.register_blueprint(module.resource)


# --- S3 object created → uploads → chunks → catalogue -----------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "uploads"), batch_size=1, maximum_concurrency=4)
def split_upload(event: SQSEvent) -> None:
    splitting.split_upload(event)


@app.on_sqs_message(queue=queue_name(stage(), "chunks"), batch_size=1, maximum_concurrency=16)
def upsert_chunk(event: SQSEvent) -> None:
    upserting.upsert_chunk(event)


# --- jobs: delete everything ---------------------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "bulk-deletes"), batch_size=1, maximum_concurrency=2)
def bulk_delete_products(event: SQSEvent) -> None:
    deleting.bulk_delete_products(event)


# --- exports: the catalogue as a file ---------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "exports"), batch_size=1, maximum_concurrency=2)
def export_products(event: SQSEvent) -> None:
    exporting.export_products(event)


# --- events → deliveries → the customer's server -----------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "events"), batch_size=1, maximum_concurrency=2)
def relay_events(event: SQSEvent) -> None:
    relaying.relay_events(event)


@app.on_sqs_message(queue=queue_name(stage(), "deliveries"), batch_size=1, maximum_concurrency=32)
def deliver_webhook(event: SQSEvent) -> None:
    delivering.deliver_webhook(event)


# --- what failed at every try ------------------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "uploads-dead"), batch_size=1, maximum_concurrency=2)
def fail_upload(event: SQSEvent) -> None:
    failing_upload.fail_upload(event)


@app.on_sqs_message(queue=queue_name(stage(), "chunks-dead"), batch_size=1, maximum_concurrency=2)
def fail_chunk(event: SQSEvent) -> None:
    failing_chunk.fail_chunk(event)


@app.on_sqs_message(queue=queue_name(stage(), "bulk-deletes-dead"), batch_size=1, maximum_concurrency=2)
def fail_bulk_delete(event: SQSEvent) -> None:
    failing_bulk_delete.fail_bulk_delete(event)


@app.on_sqs_message(queue=queue_name(stage(), "exports-dead"), batch_size=1, maximum_concurrency=2)
def fail_export(event: SQSEvent) -> None:
    failing_export.fail_export(event)


# --- repair and care ----------------------------------------------------------------------------------------------


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    sweeping.sweep(event)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def index_products(event: CloudWatchEvent) -> None:
    indexing.index_products(event)


@app.lambda_function(name="migrate")
def migrate(event: dict[str, Any], context: Any) -> dict[str, list[str]]:  # noqa: ARG001
    return migrating.migrate()


@app.lambda_function(name="manage_tokens")
def manage_tokens(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    return managing_tokens.manage_tokens(event)


gc.freeze()
gc.enable()
