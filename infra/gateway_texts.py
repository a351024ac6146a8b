"""What API Gateway says without calling our function: the same text in a deployment and in the local stack."""

from __future__ import annotations

UNAUTHORIZED = "A valid token is required. Send it as Authorization: Bearer <token>."
