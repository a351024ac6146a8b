"""The Authorization header: the only place where a token is accepted."""

from __future__ import annotations

import re

from chalicelib.access import tokens

AUTHORIZATION = f"[Bb][Ee][Aa][Rr][Ee][Rr] +({tokens.FORM}) *"
"""The header, as a regular expression that means the same to API Gateway: that refuses others without asking us."""


def bearer_token(authorization: str) -> str | None:
    """Returns the token in the value of the header; None if it has another form, so that it cannot be valid."""
    found = re.fullmatch(AUTHORIZATION, authorization)
    return found[1] if found else None
