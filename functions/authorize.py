"""The authorizer: checks whose token it is, and what it may do. API Gateway caches its answer."""

from __future__ import annotations

import re

from chalice.app import AuthRequest, AuthResponse

from chalicelib.access import tokens
from functions.composition import backends
from functions.invocations import logged_on_failure

AUTHORIZER_TTL_SECONDS = 60
"""How long API Gateway caches an answer: a revoked token may still be accepted for this long."""
AUTHORIZATION = f"[Bb][Ee][Aa][Rr][Ee][Rr] +({tokens.FORM}) *"
"""The header, as a regular expression that means the same to API Gateway: that refuses others without asking us."""


class Unauthorized(Exception):
    """API Gateway answers 401 when an authorizer fails with exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(request: AuthRequest) -> AuthResponse:
    """Allows every route for a known token; the routes themselves check its scopes. Raises Unauthorized."""
    token = token_in(request.token)
    if token is None:
        raise Unauthorized
    with logged_on_failure(function="authorize"), backends().database.transaction() as transaction:
        identity = tokens.identify(transaction, token)
    if identity is None:
        raise Unauthorized
    context = {"scopes": " ".join(sorted(identity.scopes)), "token_id": str(identity.token_id)}
    return AuthResponse(routes=["*"], principal_id=identity.name, context=context)


def token_in(header: str) -> str | None:
    """Returns the token in an Authorization header; None if it has another form, so that it cannot be valid."""
    found = re.fullmatch(AUTHORIZATION, header)
    return found[1] if found else None
