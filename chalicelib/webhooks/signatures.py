"""Signing what is sent, as Standard Webhooks 1.0 has it, so that receivers can tell our messages from forged ones.

Signed is `id.timestamp.body` with HMAC-SHA256. https://github.com/standard-webhooks/standard-webhooks
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64
"""As the standard has it."""
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


def new_secret() -> str:
    """A random secret in the form in which receivers take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_bytes(secret: str) -> bytes:
    """The key in a secret. Raises ValueError, which does not quote it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ValueError(f"a secret is {PREFIX} and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64")
    return key


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. Every secret signs, in this order: while one is rotated out, receivers may have either.

    `timestamp` is the time of this attempt in Unix seconds: receivers refuse old ones. `message_id` stays the same at
    every attempt.
    """
    if not secrets:
        raise ValueError("a message needs at least one secret to be signed with")
    if "." in message_id:
        raise ValueError("an id with a full stop could be taken for the beginning of another message")
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    digests = [hmac.digest(secret_bytes(secret), signed, hashlib.sha256) for secret in secrets]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
