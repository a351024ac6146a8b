"""Tokens of a deployment, from the terminal to API Gateway. All other tests use a token created in this way."""

from __future__ import annotations

import json

from chalicelib.access import tokens
from infra.tokens import DONE, REFUSED
from tests.cloud.deployed import Deployed, run_tokens


def status_of(cloud: Deployed, method: str, path: str, token: str) -> int:
    return cloud.call(method, path, {}, Authorization=f"Bearer {token}").status_code


def test_tokens_are_created_listed_and_revoked_from_the_terminal(cloud: Deployed) -> None:
    created = run_tokens(cloud.account, "create", "a reader")
    assert created.returncode == DONE, created.stderr
    token = created.stdout.removesuffix("\n")
    assert status_of(cloud, "GET", "/products", token) == 200
    assert status_of(cloud, "POST", "/products", token) == 403

    taken = run_tokens(cloud.account, "create", "a reader", "--scope", "admin")
    assert (taken.returncode, taken.stdout) == (REFUSED, "")
    assert all(each in taken.stderr for each in ("a token named a reader", "already", "choose another name"))

    # API Gateway caches the decision for a token for a minute, so this one must not have been used.
    unused = run_tokens(cloud.account, "create", "a leaver").stdout.removesuffix("\n")
    assert run_tokens(cloud.account, "revoke", "a leaver").returncode == DONE
    assert status_of(cloud, "GET", "/products", unused) == 401

    listed = run_tokens(cloud.account, "list").stdout
    assert {"a reader", "a leaver", "cloud test"} <= {line.partition("  ")[0] for line in listed.splitlines()}
    logged = cloud.account.logs()
    for secret in (token, unused, cloud.token):
        assert secret.removeprefix(tokens.PREFIX) not in listed + logged
    assert '"holder": "a leaver"' in logged


def test_an_administrator_manages_tokens_over_http(cloud: Deployed) -> None:
    """The functions' role may not write tokens; the database does it for a caller with an administrator's token."""
    created = cloud.call("POST", "/tokens", {"name": "by http", "scope": "write"})
    assert created.status_code == 201, created.text
    token = created.json()["token"]
    assert status_of(cloud, "GET", "/tokens/current", token) == 200
    assert status_of(cloud, "GET", "/tokens", token) == 403
    assert status_of(cloud, "POST", "/bulk-deletes", token) == 403

    ended = cloud.call("POST", "/tokens", {"name": "never used", "scope": "read"}).json()
    assert cloud.call("DELETE", f"/tokens/{ended['id']}").status_code == 204
    assert status_of(cloud, "GET", "/products", ended["token"]) == 401

    assert {"by http", "never used"} <= {each["name"] for each in cloud.call("GET", "/tokens").json()["items"]}
    logged = cloud.account.logs()
    assert '"reason": "revoked", "holder": "never used"' in logged
    for secret in (token, ended["token"], cloud.token):
        assert secret.removeprefix(tokens.PREFIX) not in logged


def test_the_function_refuses_what_the_terminal_would_not_send(cloud: Deployed) -> None:
    answer = cloud.run("manage_tokens", {"command": "create", "name": "x", "scope": "root"})
    assert "FunctionError" not in answer
    refused = json.loads(answer["Payload"].read())
    assert refused == {"refused": "scope: Must be “read”, “write” or “admin”."}
