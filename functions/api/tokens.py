"""/tokens: who may use the API. Tokens of a deployment can also be managed from the terminal (infra/tokens.py)."""

from __future__ import annotations

import uuid

from chalice.app import Response

from chalicelib.access import tokens
from functions.api.ids import uuid_of
from functions.api.paging import Page, Total, WindowQuery, checked, page_response, read_window
from functions.api.routes import PREFIX, Resource, resource_response
from functions.api.token_models import NewToken, Token, TokenWithSecret
from functions.bearer import bearer_token
from functions.composition import backends

resource = Resource(__name__)


@resource.endpoint("GET", "/tokens", scope="admin", query=WindowQuery, answer=Page[Token])
def list_tokens() -> Response:
    """Lists tokens, newest first, including those that expired or were revoked."""
    window = read_window(resource)
    with backends().database.transaction() as transaction:
        total = tokens.count(transaction)
        found = tokens.page(
            transaction,
            window.limit + 1,
            above=checked(window.before, uuid.UUID),
            below=checked(window.after, uuid.UUID),
        )
    items = [Token.of(each) for each in found]
    return page_response("/tokens", window, [each.id for each in found], items, Total(total))


def _created_again(token_id: str) -> Response:
    """The answer to a repeated request. Only the first one contains the token itself, which is stored nowhere."""
    with backends().database.transaction() as transaction:
        return _created(tokens.get(transaction, uuid.UUID(token_id)), None)


@resource.endpoint(
    "POST",
    "/tokens",
    scope="admin",
    body=NewToken,
    answer=TokenWithSecret,
    status=201,
    errors=(409,),
    idempotent=_created_again,
)
def create_token() -> Response:
    """Creates a token. The token itself is not shown again."""
    body = resource.body(NewToken)
    with backends().database.transaction() as transaction:
        created = tokens.create_as(transaction, _own_token(), tokens.NewToken(**body.model_dump()))
    return _created(*created)


@resource.endpoint("GET", "/tokens/current", scope="read", answer=Token)
def read_current_token() -> Response:
    """Returns the token of this request, without the text that gives access."""
    with backends().database.transaction() as transaction:
        token = tokens.get(transaction, resource.token_id)
    return resource_response(Token.of(token), resource.request)


@resource.endpoint("GET", "/tokens/{token_id}", scope="admin", answer=Token)
def read_token(token_id: str) -> Response:
    """Returns a token, without the text that gives access."""
    with backends().database.transaction() as transaction:
        token = tokens.get(transaction, uuid_of(token_id, "token"))
    return resource_response(Token.of(token), resource.request)


@resource.endpoint("DELETE", "/tokens/{token_id}", scope="admin", status=204)
def revoke_token(token_id: str) -> Response:
    """Revokes a token, which is refused within a minute. It may be your own; the terminal can create another one."""
    with backends().database.transaction() as transaction:
        tokens.revoke_as(transaction, _own_token(), uuid_of(token_id, "token"))
    return Response(body="", status_code=204)


def _created(token: tokens.Token, secret: str | None) -> Response:
    headers = {"Location": f"{PREFIX}/tokens/{token.id}"}
    return resource_response(TokenWithSecret.with_secret(token, secret), resource.request, status=201, headers=headers)


def _own_token() -> str:
    """The token of the request. The authorizer has accepted it, and PostgreSQL checks it again."""
    token = bearer_token(resource.request.headers["authorization"])
    assert token is not None
    return token
