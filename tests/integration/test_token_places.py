"""A token is accepted only in the Authorization header, and what a caller claims to be does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

PLACES = [
    ("?token={token}", {}),
    ("?access_token={token}", {}),
    ("?Authorization=Bearer%20{token}", {}),
    ("", {"Cookie": "token={token}; session={token}; Authorization=Bearer {token}"}),
    ("", {"X_Api_Key": "{token}"}),
    ("", {"X_Authorization": "Bearer {token}"}),
    ("", {"Proxy_Authorization": "Bearer {token}"}),
    ("", {"Authorization": "Basic {token}"}),
    ("", {"Authorization": "{token}"}),
    ("", {"X_Amzn_Authorizer": "scopes=admin"}),
    ("", {"Scopes": "admin", "Token_Id": "1", "Principal_Id": "tests"}),
    ("", {"X_Forwarded_User": "tests", "X_User_Id": "tests", "X_Forwarded_For": "127.0.0.1"}),
]


@pytest.mark.parametrize(("query", "headers"), PLACES, ids=lambda value: str(value)[:40])
def test_a_token_counts_only_in_the_authorization_header(
    pipeline: Pipeline, query: str, headers: dict[str, str]
) -> None:
    from tests.integration import gateway

    token = pipeline.token
    sent = {name: value.format(token=token) for name, value in headers.items()}
    answer = gateway.ask("GET", f"/products{query.format(token=token)}", None, b"", **sent)
    assert gateway.problem(answer, 401)["code"] == "unauthorized"
    assert token.encode() not in answer.body


def test_headers_of_an_intermediary_do_not_change_what_a_token_may_do(pipeline: Pipeline) -> None:
    from chalicelib.access import tokens
    from tests.integration import gateway

    reader = tokens.install(pipeline.services.owner_conninfo, "reader", ["read"])
    claims = {"Scopes": "admin", "X_Amzn_Authorizer": "scopes=admin", "X_Http_Method_Override": "GET"}
    answer = gateway.ask("DELETE", f"/products/{gateway.SOME_ID}", reader, b"", **claims)
    assert "the scope write" in gateway.problem(answer, 403)["detail"]
