"""API Gateway's own responses, sent before or instead of calling our function. They are problems, like all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from chalicelib.backends.roles import ROLES
from tests.cloud.deployed import API_STAGE, Deployed

DEPLOYED_LIMITS = {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 200}
"""The defaults of infra/deploy/api.yml."""


def gateway_problem(answer: requests.Response) -> tuple[int, str]:
    """Returns the status and code of a response, which must be a problem that comes from no function."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "X-Request-Id" not in answer.headers
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def test_requests_without_a_valid_token_are_refused(cloud: Deployed) -> None:
    for authorization in ("", "Bearer wrong", "Basic eDp5"):
        for method, path in (("GET", "/products"), ("POST", "/imports")):
            answer = cloud.call(method, path, Authorization=authorization)
            assert gateway_problem(answer) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert cloud.call("GET", "/health", Authorization="").json() == {"status": "ok"}
    assert cloud.call("GET", "/products").status_code == 200


def test_other_addresses_do_not_exist(cloud: Deployed) -> None:
    for method, path in (("GET", "/nothing"), ("DELETE", "/imports"), ("GET", "/products/1/2")):
        assert gateway_problem(cloud.call(method, path)) == (404, "not_found")


def test_a_failing_authorizer_admits_no_request_and_asks_for_a_retry(cloud: Deployed) -> None:
    cloud.execute(f"revoke update on api_token from {ROLES['authorize']}")
    try:
        # A new token: for the one of the other tests, the gateway has cached the decision.
        answer = cloud.call("GET", "/products", Authorization="Bearer never-seen-before-by-anyone")
    finally:
        cloud.execute(f"grant update (last_used_at) on api_token to {ROLES['authorize']}")
    assert gateway_problem(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_too_many_requests_are_refused(cloud: Deployed) -> None:
    with limits(cloud, rate="0.001", burst="1") as before:
        answers = [cloud.call("GET", "/health") for _ in range(2)]
    assert {name: before[name] for name in DEPLOYED_LIMITS} == DEPLOYED_LIMITS
    assert answers[0].status_code == 200
    assert gateway_problem(answers[1]) == (429, "too_many_requests")
    assert answers[1].headers["Retry-After"] == "1"


@contextmanager
def limits(cloud: Deployed, rate: str, burst: str) -> Iterator[dict[str, object]]:
    """Sets other limits until the block ends. Yields the previous settings of all methods."""
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
