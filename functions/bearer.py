"""The Authorization header: the only place where a token is accepted."""

from __future__ import annotations

SCHEME = "bearer"


def bearer_token(authorization: str) -> str | None:
    """Returns the token of a header's value; None if it has another scheme or no token."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == SCHEME else None
