"""Tokens of a deployment, from the terminal to API Gateway. The one that all other tests use was made so too."""

from __future__ import annotations

import json

from chalicelib.access import tokens
from infra.tokens import DONE, REFUSED
from tests.cloud.deployed import Deployed, terminal


def status_of(cloud: Deployed, method: str, path: str, token: str) -> int:
    return cloud.call(method, path, {}, Authorization=f"Bearer {token}").status_code


def test_tokens_are_made_listed_and_revoked_from_the_terminal(cloud: Deployed) -> None:
    made = terminal(cloud.account, "create", "a reader")
    assert made.returncode == DONE, made.stderr
    token = made.stdout.removesuffix("\n")
    assert status_of(cloud, "GET", "/products", token) == 200
    assert status_of(cloud, "POST", "/products", token) == 403

    taken = terminal(cloud.account, "create", "a reader", "--scope", "admin")
    assert (taken.returncode, taken.stdout) == (REFUSED, "")
    assert "There is a token named a reader already" in taken.stderr

    # API Gateway remembers for a minute what it was told of a token: this one it has never seen.
    unused = terminal(cloud.account, "create", "a leaver").stdout.removesuffix("\n")
    assert terminal(cloud.account, "revoke", "a leaver").returncode == DONE
    assert status_of(cloud, "GET", "/products", unused) == 401

    listed = terminal(cloud.account, "list").stdout
    assert {"a reader", "a leaver", "cloud test"} <= {line.partition("  ")[0] for line in listed.splitlines()}
    logged = cloud.account.logs()
    for secret in (token, unused, cloud.token):
        assert secret.removeprefix(tokens.PREFIX) not in listed + logged
    assert '"holder": "a leaver"' in logged


def test_the_function_itself_refuses_what_the_terminal_would_not_ask(cloud: Deployed) -> None:
    answer = cloud.run("manage_tokens", {"command": "create", "name": "x", "scope": "root"})
    assert "FunctionError" not in answer
    refused = json.loads(answer["Payload"].read())
    assert refused == {"refused": "scope: Input should be 'read', 'write' or 'admin'"}
