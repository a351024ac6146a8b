"""Limits that are counted before something is added hold for requests at the same moment, too.

A test holds a lock that both requests wait for, as late as possible. Then both have counted, unless counting waits.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from chalicelib.access import tokens
from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.errors import Conflict, NotFound
from chalicelib.webhooks import attempts, deliveries, relay, webhooks
from chalicelib.webhooks.webhooks import NewWebhook
from functions.composition import sending
from infra.local.processes.deadline import wait_until
from tests.integration.webhooks import create_product, subscribe
from tests.support.concurrency import MEET_SECONDS_MAX, workers
from tests.support.hook_server import hook_server

if TYPE_CHECKING:
    from infra.local.testing import Services
    from tests.support.pipeline import Pipeline

WAITING = "select pid from pg_stat_activity where backend_type = 'client backend' and wait_event_type = 'Lock'"
URL = "http://127.0.0.1:9/hook"


@contextmanager
def held(services: Services, statement: str, pipeline: Pipeline, count: int) -> Iterator[None]:
    """Holds the locks of a statement until `count` transactions wait, which the block has started."""
    with psycopg.connect(services.owner_conninfo) as holder:
        holder.execute(statement)
        yield
        wait_until(lambda: len(pipeline.sql(WAITING)) == count, MEET_SECONDS_MAX, f"{count} transactions waiting")


def at_once(
    services: Services, pipeline: Pipeline, statement: str, *requests: Callable[[Backends], object]
) -> list[BaseException | None]:
    """The errors of requests that have all begun before one of them can continue."""
    with workers(len(requests)) as backends, ThreadPoolExecutor(len(requests)) as pool:
        with held(services, statement, pipeline, len(requests)):
            pending = [pool.submit(request, own) for request, own in zip(requests, backends, strict=True)]
        return [each.exception() for each in pending]


def kinds(errors: list[BaseException | None]) -> list[type[BaseException]]:
    return [type(each) for each in errors if each is not None]


def test_two_requests_cannot_exceed_the_number_of_webhooks(
    services: Services, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.webhooks.webhooks.WEBHOOKS_MAX", 1)

    def create(own: Backends) -> object:
        return webhooks.create(own.database, sending(), NewWebhook(URL, ["*"]))

    errors = at_once(services, pipeline, "lock table webhook in share mode", create, create)

    assert kinds(errors) == [Conflict]
    assert len(pipeline.sql("select id from webhook")) == 1


def test_two_tokens_cannot_have_one_name(services: Services, pipeline: Pipeline) -> None:
    pipeline.sql("delete from api_token where name = 'shop'")

    def create(_: Backends) -> object:
        with closing(Database(services.conninfos["token_manager"])) as database, database.transaction() as transaction:
            return tokens.create(transaction, tokens.NewToken("shop", "read"))

    errors = at_once(services, pipeline, "lock table api_token in share mode", create, create)

    assert kinds(errors) == [Conflict]
    assert len(pipeline.sql("select id from api_token where name = 'shop'")) == 1


def test_of_two_installed_tokens_with_one_name_one_is_left(services: Services, pipeline: Pipeline) -> None:
    def install(_: Backends) -> object:
        return tokens.install(services.owner_conninfo, "shop", ["read"])

    assert kinds(at_once(services, pipeline, "lock table api_token in share mode", install, install)) == []
    assert len(pipeline.sql("select id from api_token where name = 'shop' and revoked_at is null")) == 1


def test_two_senders_cannot_exceed_the_number_of_attempts(services: Services, pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook_id = _webhook_with_a_due_delivery(pipeline, server.url())

        def take_turn(own: Backends) -> None:
            attempts.take_turn(own, sending(), webhook_id, lambda: 0.0)

        errors = at_once(services, pipeline, "select from delivery for update", take_turn, take_turn)

        assert kinds(errors) == []
        assert len(server.received) == 1


def test_two_requests_send_failed_deliveries_again_once(services: Services, pipeline: Pipeline) -> None:
    with hook_server() as server:
        webhook_id = _webhook_with_a_due_delivery(pipeline, server.url())
    pipeline.sql("update delivery set status = 'failed'")
    since = datetime.now(UTC) - timedelta(hours=1)
    counts: list[int] = []

    def redeliver(own: Backends) -> None:
        counts.append(deliveries.redeliver_failed(own, webhook_id, since))

    assert kinds(at_once(services, pipeline, "select from delivery for update", redeliver, redeliver)) == []
    assert sorted(counts) == [0, 1]


def test_a_request_about_a_webhook_that_is_being_deleted_finds_none(services: Services, pipeline: Pipeline) -> None:
    webhook_id = uuid.UUID(subscribe(pipeline, URL)["id"])

    errors = at_once(
        services,
        pipeline,
        f"delete from webhook where id = '{webhook_id}'",
        lambda own: deliveries.send_test(own, webhook_id),
        lambda own: webhooks.rotate_secret(own.database, sending(), webhook_id),
    )

    assert kinds(errors) == [NotFound, NotFound]


def _webhook_with_a_due_delivery(pipeline: Pipeline, url: str) -> uuid.UUID:
    webhook_id = uuid.UUID(subscribe(pipeline, url)["id"])
    create_product(pipeline)
    relay.relay(pipeline.backends, lambda: 60.0)
    return webhook_id
