"""The authorizer: checks whose token it is, and what it may do. API Gateway caches its answer."""

from __future__ import annotations

from chalice.app import AuthRequest, AuthResponse

from chalicelib.access import tokens
from chalicelib.telemetry import WARNING, log
from functions.bearer import bearer_token
from functions.composition import backends
from functions.invocations import logged_on_failure

AUTHORIZER_TTL_SECONDS = 60
"""How long API Gateway caches an answer: a revoked or expired token may still be accepted for this long."""


class Unauthorized(Exception):
    """API Gateway answers 401 when an authorizer fails with exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(request: AuthRequest) -> AuthResponse:
    """Allows every route for a valid token; the routes themselves check its scopes. Raises Unauthorized."""
    with logged_on_failure(function="authorize"):
        found = _identified(request.token)
        if isinstance(found, tokens.Refusal):
            _log(found, request.method_arn)
    if isinstance(found, tokens.Refusal):
        raise Unauthorized
    context = {"scopes": " ".join(sorted(found.scopes)), "token_id": str(found.token_id)}
    return AuthResponse(routes=["*"], principal_id=found.name, context=context)


def _identified(authorization: str) -> tokens.Identity | tokens.Refusal:
    token = bearer_token(authorization)
    if token is None:
        return tokens.Refusal("malformed")
    with backends().database.transaction() as transaction:
        return tokens.identify(transaction, token)


def _log(refusal: tokens.Refusal, method_arn: str) -> None:
    """Logs why a request was refused. An authorizer of this type is not given the address of the caller."""
    log(
        "authentication failed",
        level=WARNING,
        reason=refusal.reason,
        holder=refusal.holder,
        method_arn=method_arn,
        measured={"AuthenticationsFailed": 1},
    )
