"""Every trigger of the Product Importer, in the order in which data flows. This module only binds functions to them."""

from __future__ import annotations

import gc

gc.disable()  # Objects created by imports live as long as the process; collecting costs an eighth of a cold start.

from typing import Any

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Rate, SQSEvent

import functions.authorize
import functions.bulk_delete_products
import functions.deliver_webhook
import functions.export_products
import functions.fail_bulk_delete
import functions.fail_chunk
import functions.fail_export
import functions.fail_rewrite
import functions.fail_upload
import functions.index_products
import functions.manage_tokens
import functions.migrate
import functions.relay_events
import functions.rewrite_upload
import functions.split_upload
import functions.sweep
import functions.upsert_chunk
from chalicelib.settings import chunk_concurrency, queue_name, stage
from functions import invocations, logs
from functions.api import (
    bulk_deletes,
    deliveries,
    events,
    exports,
    health,
    imports,
    openapi_route,
    products,
    tokens,
    webhooks,
)

logs.configure()
app = Chalice(app_name="product-importer", configure_logs=False)
app.register_middleware(invocations.around, "all")


# --- HTTP: register an upload, watch it, read the catalogue ---------------------------------------------------


@app.authorizer(ttl_seconds=functions.authorize.AUTHORIZER_TTL_SECONDS)
def authorize(request: AuthRequest) -> AuthResponse:
    return functions.authorize.authorize(request)


for module in (health, imports, products, bulk_deletes, exports, webhooks, deliveries, events, tokens, openapi_route):
    app.register_blueprint(module.resource)


# --- S3 object created → uploads → chunks → catalogue -----------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "uploads"), batch_size=1, maximum_concurrency=4)
def split_upload(event: SQSEvent) -> None:
    functions.split_upload.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "rewrites"), batch_size=1, maximum_concurrency=2)
def rewrite_upload(event: SQSEvent) -> None:
    functions.rewrite_upload.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "chunks"), batch_size=1, maximum_concurrency=chunk_concurrency())
def upsert_chunk(event: SQSEvent) -> None:
    functions.upsert_chunk.handle(event)


# --- bulk deletes: every product ---------------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "bulk-deletes"), batch_size=1, maximum_concurrency=2)
def bulk_delete_products(event: SQSEvent) -> None:
    functions.bulk_delete_products.handle(event)


# --- exports: the catalogue as a file ---------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "exports"), batch_size=1, maximum_concurrency=2)
def export_products(event: SQSEvent) -> None:
    functions.export_products.handle(event)


# --- changes → search index -------------------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "changes"), batch_size=1, maximum_concurrency=2)
def index_products(event: SQSEvent) -> None:
    functions.index_products.handle(event)


# --- events → deliveries → the customer's server -----------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "events"), batch_size=1, maximum_concurrency=2)
def relay_events(event: SQSEvent) -> None:
    functions.relay_events.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "deliveries"), batch_size=1, maximum_concurrency=32)
def deliver_webhook(event: SQSEvent) -> None:
    functions.deliver_webhook.handle(event)


# --- dead letters: messages that failed at every try ------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name(stage(), "uploads-dead"), batch_size=1, maximum_concurrency=2)
def fail_upload(event: SQSEvent) -> None:
    functions.fail_upload.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "rewrites-dead"), batch_size=1, maximum_concurrency=2)
def fail_rewrite(event: SQSEvent) -> None:
    functions.fail_rewrite.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "chunks-dead"), batch_size=1, maximum_concurrency=2)
def fail_chunk(event: SQSEvent) -> None:
    functions.fail_chunk.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "bulk-deletes-dead"), batch_size=1, maximum_concurrency=2)
def fail_bulk_delete(event: SQSEvent) -> None:
    functions.fail_bulk_delete.handle(event)


@app.on_sqs_message(queue=queue_name(stage(), "exports-dead"), batch_size=1, maximum_concurrency=2)
def fail_export(event: SQSEvent) -> None:
    functions.fail_export.handle(event)


# --- repair and maintenance ---------------------------------------------------------------------------------------


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    functions.sweep.handle(event)


@app.lambda_function(name="migrate")
def migrate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return functions.migrate.migrate(event, lambda: float(context.get_remaining_time_in_millis()) / 1000)


@app.lambda_function(name="manage_tokens")
def manage_tokens(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    return functions.manage_tokens.manage_tokens(event)


gc.freeze()
gc.enable()
