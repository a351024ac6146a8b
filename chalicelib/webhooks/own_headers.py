"""The customer's own headers, which are sent with each delivery: which may be chosen, and how an edit changes them."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import WEBHOOK_HEADER_NAME_CHARACTERS_MAX, WEBHOOK_HEADER_VALUE_CHARACTERS_MAX
from chalicelib.webhooks.outbound.unsafe import Unsafe
from chalicelib.webhooks.outbound.urls import check_headers

RESERVED_HEADERS = frozenset({"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""Headers that we set on every delivery, besides those of the connection. In lower case."""


def check(headers: Mapping[str, str]) -> None:
    """Raises Invalid for a header that cannot be sent, or that is not the customer's to choose."""
    lowered = [name.lower() for name in headers]
    for name, value in headers.items():
        _check_length(name, value)
        if name.lower() in RESERVED_HEADERS:
            raise bad_headers(f"the header {name} is set on every delivery and cannot be chosen; remove it")
        if lowered.count(name.lower()) > 1:
            raise bad_headers(f"the header {name} is given twice; names are not case-sensitive")
    try:
        check_headers(headers)
    except Unsafe as error:
        raise bad_headers(str(error)) from None


def merged(headers: Mapping[str, str | None], stored: Mapping[str, str]) -> dict[str, str]:
    """The headers after an edit: a value of None keeps the stored one. Raises Invalid."""
    unknown = [name for name, value in headers.items() if value is None and name not in stored]
    if unknown:
        shown = unknown[0][:WEBHOOK_HEADER_NAME_CHARACTERS_MAX]
        raise bad_headers(f"the header {shown} has no saved value to keep; give it a value")
    kept = {name: stored[name] if value is None else value for name, value in headers.items()}
    check(kept)
    return kept


def _check_length(name: str, value: str) -> None:
    if len(name) > WEBHOOK_HEADER_NAME_CHARACTERS_MAX:
        shown = name[:WEBHOOK_HEADER_NAME_CHARACTERS_MAX]
        raise bad_headers(
            f"the header {shown}… has a name of more than {WEBHOOK_HEADER_NAME_CHARACTERS_MAX} characters"
        )
    if len(value) > WEBHOOK_HEADER_VALUE_CHARACTERS_MAX:
        raise bad_headers(
            f"the value of the header {name} has {len(value):,} characters; "
            f"the maximum is {WEBHOOK_HEADER_VALUE_CHARACTERS_MAX:,}"
        )


def bad_headers(message: str) -> Invalid:
    """The error for the field `headers`."""
    return Invalid(message, errors=(FieldError("/headers", message),))
