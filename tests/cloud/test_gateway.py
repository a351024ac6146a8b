"""What API Gateway decides before our function is asked, or instead of it: answered as everything is, with problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from infra.local.postgres.server import ROLE
from tests.cloud.deployed import API_STAGE, Deployed

DEPLOYED_LIMITS = {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 200}
"""The defaults of infra/deploy/api.yml."""


def told_by_gateway(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an answer, which is a problem that no function has made."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "X-Request-Id" not in answer.headers
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def test_nobody_gets_in_without_a_token(cloud: Deployed) -> None:
    for authorization in ("", "Bearer wrong", "Basic eDp5"):
        for method, path in (("GET", "/products"), ("POST", "/imports")):
            answer = cloud.call(method, path, Authorization=authorization)
            assert told_by_gateway(answer) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert cloud.call("GET", "/health", Authorization="").json() == {"status": "ok"}
    assert cloud.call("GET", "/products").status_code == 200


def test_there_is_nothing_at_other_addresses(cloud: Deployed) -> None:
    for method, path in (("GET", "/nothing"), ("DELETE", "/imports"), ("GET", "/products/1/2")):
        assert told_by_gateway(cloud.call(method, path)) == (404, "not_found")


def test_an_authorizer_that_fails_lets_nobody_in_and_asks_to_come_again(cloud: Deployed) -> None:
    cloud.execute(f"revoke select on api_token from {ROLE}")
    try:
        # Not the token of the others: the gateway remembers what it was told of that one.
        answer = cloud.call("GET", "/products", Authorization="Bearer never-seen-before")
    finally:
        cloud.execute(f"grant select on api_token to {ROLE}")
    assert told_by_gateway(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_too_many_requests_are_turned_away(cloud: Deployed) -> None:
    with limits(cloud, rate="0.001", burst="1") as before:
        answers = [cloud.call("GET", "/health") for _ in range(2)]
    assert {name: before[name] for name in DEPLOYED_LIMITS} == DEPLOYED_LIMITS
    assert answers[0].status_code == 200
    assert told_by_gateway(answers[1]) == (429, "too_many_requests")
    assert answers[1].headers["Retry-After"] == "1"


@contextmanager
def limits(cloud: Deployed, rate: str, burst: str) -> Iterator[dict[str, object]]:
    """Other limits than those deployed, for a while. Yields how every method was set before."""
    stage = {"restApiId": cloud.outputs["RestAPIId"], "stageName": API_STAGE}
    gateway = cloud.account.client("apigateway")
    before = gateway.get_stage(**stage)["methodSettings"]["*/*"]

    def limit(rate: object, burst: object) -> None:
        values = {"rateLimit": rate, "burstLimit": burst}
        changes = [
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)} for name, value in values.items()
        ]
        gateway.update_stage(**stage, patchOperations=changes)

    limit(rate, burst)
    try:
        yield before
    finally:
        limit(before["throttlingRateLimit"], before["throttlingBurstLimit"])
