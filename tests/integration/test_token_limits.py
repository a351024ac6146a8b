"""How much one token may use at a time: requests and unfinished imports. For exports, see test_exports.py."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from chalicelib import limits
from chalicelib.access import requests, tokens
from chalicelib.errors import TooMany
from chalicelib.importing import imports
from chalicelib.importing.imports import Registration
from chalicelib.repair import sweeping
from tests.integration.test_api import problem
from tests.integration.test_counted_limits import at_once, kinds
from tests.support.concurrency import together, workers

if TYPE_CHECKING:
    from chalicelib.backends import Backends
    from infra.local.testing import Services
    from tests.support.pipeline import Answer, Pipeline

NEW = {"filename": "a.csv", "size_bytes": 5}
FEW = 6
"""Requests per minute: one every ten seconds."""


@pytest.fixture
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUESTS_PER_TOKEN_PER_MINUTE_MAX", FEW)


@pytest.fixture
def as_another(pipeline: Pipeline) -> Iterator[Callable[..., Answer]]:
    """Calls the API with a second token."""
    token = tokens.install(pipeline.services.owner_conninfo, "other", ["write"])
    yield lambda *request: pipeline.call(*request, Authorization=f"Bearer {token}")
    pipeline.sql("delete from api_token where name = 'other'")


@pytest.mark.usefixtures("few_requests")
def test_a_token_that_sends_too_many_requests_has_to_wait(
    pipeline: Pipeline, as_another: Callable[..., Answer]
) -> None:
    statuses = [pipeline.call("GET", "/imports").status for _ in range(FEW)]
    refused = pipeline.call("POST", "/imports", b"not even JSON")

    assert statuses == [200] * FEW
    assert problem(refused, 429)["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == str(limits.REQUEST_RETRY_SECONDS)
    assert as_another("GET", "/imports").status == 200
    assert pipeline.call("GET", "/health").status == 200


@pytest.mark.usefixtures("few_requests")
def test_requests_that_the_scope_does_not_allow_count_too(as_another: Callable[..., Answer]) -> None:
    statuses = [as_another("GET", "/tokens").status for _ in range(FEW + 1)]
    assert statuses == [403] * FEW + [429]


@pytest.mark.usefixtures("few_requests")
@pytest.mark.parametrize(("waited_seconds", "more"), [(0, 0), (9, 0), (10.1, 1), (35, 3), (60, FEW), (86_400, FEW)])
def test_what_a_token_may_send_refills_continuously_up_to_the_limit(
    pipeline: Pipeline, waited_seconds: float, more: int
) -> None:
    for _ in range(FEW):
        pipeline.call("GET", "/imports")
    pipeline.sql("update request_allowance set whole_at = whole_at - make_interval(secs => %s)", waited_seconds)
    statuses = Counter(pipeline.call("GET", "/imports").status for _ in range(FEW + 1))
    assert statuses == Counter({200: more, 429: FEW + 1 - more})


def test_requests_at_the_same_moment_together_keep_to_the_limit(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUESTS_PER_TOKEN_PER_MINUTE_MAX", 20)
    monkeypatch.setattr(requests, "PERIOD_SECONDS", 6_000)  # Nothing refills during the test.
    token_id = uuid.uuid4()
    accepted: list[int] = []

    def send(own: Backends) -> None:
        for number in range(10):
            try:
                requests.take(own.database, token_id)
            except TooMany:
                continue
            accepted.append(number)

    with workers(4) as own:
        together(*(lambda each=each: send(each) for each in own))

    assert len(accepted) == 20
    assert len(pipeline.sql("select token_id from request_allowance")) == 1


def test_a_crash_of_the_server_costs_no_token_a_request(pipeline: Pipeline) -> None:
    """PostgreSQL empties unlogged tables when it recovers."""
    (table,) = pipeline.sql("select relpersistence::text as kept from pg_class where relname = 'request_allowance'")
    assert table["kept"] == "u"


def test_the_number_of_unfinished_imports_of_a_token_is_limited(
    pipeline: Pipeline, as_another: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "IMPORTS_UNFINISHED_PER_TOKEN_MAX", 2)
    first, _ = pipeline.call("POST", "/imports", NEW).json, pipeline.call("POST", "/imports", NEW)

    refused = pipeline.call("POST", "/imports", NEW, **{"Idempotency-Key": "k"})

    assert problem(refused, 429)["code"] == "too_many_imports"
    assert refused.headers["Retry-After"] == str(limits.UNFINISHED_RETRY_SECONDS)
    assert as_another("POST", "/imports", NEW).status == 201
    pipeline.call("POST", f"/imports/{first['id']}/cancel")
    assert pipeline.call("POST", "/imports", NEW, **{"Idempotency-Key": "k"}).status == 201


def test_two_requests_cannot_exceed_the_number_of_unfinished_imports(
    services: Services, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "IMPORTS_UNFINISHED_PER_TOKEN_MAX", 1)
    token_id = uuid.uuid4()

    def register(own: Backends) -> object:
        return imports.register(own, Registration("a.csv", 5), token_id)

    errors = at_once(services, pipeline, "lock table import in share mode", register, register)

    assert kinds(errors) == [TooMany]
    assert len(pipeline.sql("select id from import")) == 1


def test_files_in_the_bucket_count_for_no_token(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "IMPORTS_UNFINISHED_PER_TOKEN_MAX", 1)
    pipeline.drop(b"sku,name\nA,a\n")
    assert pipeline.split_next()
    assert [row["status"] for row in pipeline.sql("select status::text from import")] == ["processing"]
    assert pipeline.call("POST", "/imports", NEW).status == 201


def test_registrations_that_are_renewed_do_not_hide_those_that_are_due(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_IMPORTS_MAX", 2)
    renewed = [pipeline.call("POST", "/imports", NEW, **{"Idempotency-Key": f"{number}"}).json for number in range(2)]
    late = [pipeline.register(5) for _ in range(4)]
    pipeline.sql("update import set upload_expires_at = now() - interval '1 day'")
    for number in range(2):
        pipeline.call("POST", "/imports", NEW, **{"Idempotency-Key": f"{number}"})

    for _ in range(2):
        sweeping.sweep(pipeline.backends)

    assert [pipeline.show(each["id"])["status"] for each in renewed] == ["pending"] * 2
    assert [pipeline.show(each["id"])["status"] for each in late] == ["failed"] * 4
