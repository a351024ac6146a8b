"""Secrets as they may be found: taken out of links, and written in other ways than as they are."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, quote, urlsplit

_URL_SAFE = str.maketrans("+/", "-_")


def written_forms(value: str | bytes) -> set[bytes]:
    """How a secret may be written: as it is, in hexadecimal, in base64, and quoted for addresses."""
    raw = value.encode() if isinstance(value, str) else value
    text = base64.b64encode(raw).decode()
    return {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        text.encode(),
        text.translate(_URL_SAFE).encode(),
        quote(raw, safe="").encode(),
    }


def signature_of(url: str) -> str:
    """What makes a presigned link good."""
    query = parse_qs(urlsplit(url).query)
    (signature,) = next(values for name, values in query.items() if re.fullmatch(r"(?i)(x-amz-)?signature", name))
    return signature
