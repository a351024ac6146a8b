"""A token is accepted only in the Authorization header, and what a caller claims to be does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

TOKEN = "{token}"
PLACES: list[tuple[str, dict[str, str]]] = [
    (f"?token={TOKEN}", {}),
    (f"?access_token={TOKEN}", {}),
    (f"?Authorization=Bearer%20{TOKEN}", {}),
    ("", {"Cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}"}),
    ("", {"X_Api_Key": TOKEN}),
    ("", {"Proxy_Authorization": f"Bearer {TOKEN}"}),
    ("", {"X_Authorization": f"Bearer {TOKEN}"}),
    ("", {"X_Forwarded_Authorization": f"Bearer {TOKEN}", "X_Forwarded_User": "admin"}),
    ("", {"X_Amzn_Authorizer": '{"scopes": "read write admin"}', "X_Scopes": "admin"}),
    ("", {"X_Authorizer_Scopes": "read write admin", "X_Authorizer_Token_Id": "00000000-0000-0000-0000-000000000001"}),
    ("", {"Authorization": TOKEN}),
    ("", {"Authorization": f"Basic {TOKEN}"}),
    ("", {"Authorization": f"Token {TOKEN}"}),
    ("", {"Authorization": f"Bearer{TOKEN}"}),
    ("", {"Authorization": f"Bearer {TOKEN}x"}),
    ("", {"Authorization": f"Bearer x, Bearer {TOKEN}"}),
    ("", {"Authorization": f'Bearer "{TOKEN}"'}),
    ("", {"Authorization": f"Bearer {TOKEN}\x00"}),
    ("", {"Authorization": "Bearer"}),
    ("", {"Authorization": "Bearer null"}),
    ("", {"Authorization": "Bearer %"}),
    ("", {"Authorization": "Bearer ' or '1'='1"}),
    ("", {"Authorization": "Bearer " + "x" * 20_000}),
]
"""Places and forms in which a token that works is not accepted."""


@pytest.mark.parametrize(("query", "headers"), PLACES, ids=lambda value: str(value)[:40])
def test_a_token_counts_only_in_the_authorization_header(
    pipeline: Pipeline, query: str, headers: dict[str, str]
) -> None:
    from tests.integration import gateway

    token = pipeline.token
    sent = {name: value.replace(TOKEN, token) for name, value in headers.items()}
    for method, path in (("GET", "/products"), ("POST", "/bulk-deletes"), ("GET", f"/webhooks/{gateway.SOME_ID}")):
        answer = gateway.ask(method, path + query.replace(TOKEN, token), None, b"", **sent)
        assert gateway.problem(answer, 401)["code"] == "unauthorized"
        assert token.encode() not in answer.body


def test_headers_of_an_intermediary_do_not_change_what_a_token_may_do(pipeline: Pipeline) -> None:
    from chalicelib.access import tokens
    from tests.integration import gateway

    reader = tokens.install(pipeline.services.owner_conninfo, "reader", ["read"])
    claims = {"Scopes": "admin", "X_Amzn_Authorizer": "scopes=admin", "X_Http_Method_Override": "GET"}
    answer = gateway.ask("DELETE", f"/products/{gateway.SOME_ID}", reader, b"", **claims)
    assert "the scope write" in gateway.problem(answer, 403)["detail"]
