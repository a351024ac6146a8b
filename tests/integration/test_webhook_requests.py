"""What receivers get, how it is signed, and what is stored of their responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook as Verifier

from chalicelib import limits
from chalicelib.webhooks.sender import HIDDEN
from tests.integration.webhooks import create_product, deliveries, let_time_pass, show, subscribe
from tests.support.hook_server import Received, Reply, hook_server
from tests.unit.receiver import OK, receiver

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_a_delivery_is_signed_and_logged(pipeline: Pipeline) -> None:
    with hook_server(Reply(body=b"thank you")) as server:
        webhook = subscribe(
            pipeline, server.url("/in?shop=1"), headers={"X-Shop": "north", "Authorization": "Bearer hush"}
        )
        create_product(pipeline)
        pipeline.deliver_events()
        (received,) = server.received

    message = Verifier(webhook["secret"]).verify(received.body, dict(received.headers))
    assert message["type"] == "product.created"
    assert (received.path, received.headers["x-shop"]) == ("/in?shop=1", "north")
    assert received.headers["authorization"] == "Bearer hush"
    assert received.headers["content-type"] == "application/json"
    (delivery,) = deliveries(pipeline, webhook)
    assert (delivery["status"], delivery["status_code"], delivery["attempt_count"]) == ("delivered", 200, 1)
    assert delivery["event_id"] == received.id
    whole = pipeline.call("GET", f"/deliveries/{delivery['id']}").json
    assert whole["request_body"].encode() == received.body
    (attempt,) = whole["attempts"]
    assert attempt["response_body"] == "thank you"
    assert attempt["request_headers"]["webhook-id"] == received.id
    assert attempt["request_headers"]["Authorization"] == HIDDEN
    assert show(pipeline, webhook)["last_delivery"]["status_code"] == 200


def test_a_delivery_whose_final_response_follows_an_informational_one_is_delivered_once(pipeline: Pipeline) -> None:
    with receiver(b"HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n" + OK) as server:
        webhook = subscribe(pipeline, f"http://127.0.0.1:{server.port}/")
        create_product(pipeline)
        pipeline.deliver_events()
        let_time_pass(pipeline)

    assert len(server.requests) == 1
    (delivery,) = deliveries(pipeline, webhook)
    assert (delivery["status"], delivery["status_code"], delivery["attempt_count"]) == ("delivered", 200, 1)
    assert show(pipeline, webhook)["failing_since"] is None


def test_the_beginning_of_a_long_response_is_kept(pipeline: Pipeline) -> None:
    with hook_server(Reply(status=500, body=b"\xff\x00" + b"x" * 10_000)) as server:
        webhook = subscribe(pipeline, server.url())
        create_product(pipeline)
        pipeline.deliver_events()

    (delivery,) = deliveries(pipeline, webhook)
    (attempt,) = pipeline.call("GET", f"/deliveries/{delivery['id']}").json["attempts"]
    assert attempt["response_body"] == "\ufffd\x00" + "x" * (limits.RESPONSE_BYTES_KEPT - 2)


def test_headers_that_a_response_quotes_are_not_stored(pipeline: Pipeline) -> None:
    def quote(request: Received) -> Reply:
        quoted = {**request.headers, "key": request.headers["authorization"].removeprefix("Bearer ")}
        return Reply(status=401, body=json.dumps(quoted).encode())

    with hook_server(quote) as server:
        headers = {"Authorization": 'Bearer very-"secret"', "X-Shop": "north"}
        webhook = subscribe(pipeline, server.url(), headers=headers)
        create_product(pipeline)
        pipeline.deliver_events()
        (received,) = server.received

    (delivery,) = deliveries(pipeline, webhook)
    (attempt,) = pipeline.call("GET", f"/deliveries/{delivery['id']}").json["attempts"]
    shown = json.loads(attempt["response_body"])
    assert shown["authorization"] == f"Bearer {HIDDEN}"
    assert shown["key"] == shown["webhook-signature"] == HIDDEN
    assert shown["x-shop"] == "north", "short words are no secrets"
    assert shown["webhook-id"] == received.id


def test_during_a_rotation_both_secrets_sign(pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook = subscribe(pipeline, server.url())
        rotated = pipeline.call("POST", f"/webhooks/{webhook['id']}/rotate-secret").json
        create_product(pipeline, "A")
        pipeline.deliver_events()
        pipeline.sql("update webhook set old_secret_expires_at = now() - interval '1 second'")
        create_product(pipeline, "B")
        pipeline.deliver_events()
        first, second = server.received

    assert rotated["secret"] != webhook["secret"]
    assert datetime.fromisoformat(rotated["secret_expires_at"]) > datetime.now(UTC) + timedelta(hours=23)
    for secret in (webhook["secret"], rotated["secret"]):
        Verifier(secret).verify(first.body, dict(first.headers))
    Verifier(rotated["secret"]).verify(second.body, dict(second.headers))
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(webhook["secret"]).verify(second.body, dict(second.headers))
    assert show(pipeline, webhook)["secret_expires_at"] is None
