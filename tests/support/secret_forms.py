"""The forms in which a secret may appear: in links, and in other encodings."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, quote, urlsplit

_URL_SAFE = str.maketrans("+/", "-_")


def written_forms(value: str | bytes) -> set[bytes]:
    """The forms of a secret: plain, hexadecimal, base64, and quoted for URLs."""
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
    """The signature that makes a presigned link valid."""
    query = parse_qs(urlsplit(url).query)
    (signature,) = next(values for name, values in query.items() if re.fullmatch(r"(?i)(x-amz-)?signature", name))
    return signature
