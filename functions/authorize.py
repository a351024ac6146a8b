"""The authorizer: whose token is it, and what may it do? API Gateway caches its answer."""

from __future__ import annotations

from chalice.app import AuthRequest, AuthResponse

from chalicelib.access import tokens
from functions.composition import backends
from functions.invocations import told_if_it_fails

AUTHORIZER_TTL_SECONDS = 60
"""Revoking a token takes this long at the most."""
SCHEME = "bearer"


class Unauthorized(Exception):
    """API Gateway answers 401 when an authorizer fails with exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(request: AuthRequest) -> AuthResponse:
    """Allows every route to a known token; the route itself looks at the scopes. Raises Unauthorized."""
    scheme, _, token = request.token.partition(" ")
    if scheme.lower() != SCHEME or not token.strip():
        raise Unauthorized
    with told_if_it_fails(function="authorize"), backends().database.transaction() as transaction:
        identity = tokens.identify(transaction, token.strip())
    if identity is None:
        raise Unauthorized
    context = {"scopes": " ".join(sorted(identity.scopes)), "token_id": str(identity.token_id)}
    return AuthResponse(routes=["*"], principal_id=identity.name, context=context)
