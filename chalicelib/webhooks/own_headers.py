"""The customer's own headers, which are sent with each delivery: which may be chosen, and how an edit changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.errors import FieldError, Invalid
from chalicelib.limits import WEBHOOK_HEADER_NAME_CHARACTERS_MAX, WEBHOOK_HEADER_VALUE_CHARACTERS_MAX
from chalicelib.webhooks.outbound.unsafe import Unsafe
from chalicelib.webhooks.outbound.urls import check_headers, parse

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


def check_destination(
    old_url: str, new_url: str, stored: Iterable[str], headers: Mapping[str, str | None] | None
) -> None:
    """Raises Invalid if an edit would send stored values to another server.

    Values are never shown, but anyone who may edit a webhook can choose its URL. Without this check, they could have
    values that another user has entered sent to a server of their own.
    """
    kept = list(stored) if headers is None else [name for name, value in headers.items() if value is None]
    if kept and not _is_same_destination(old_url, new_url):
        raise bad_headers(
            "the new URL has another scheme, host or port, so saved header values are not kept: "
            f"enter the values of {', '.join(kept)} again, or remove these headers"
        )


def _is_same_destination(old_url: str, new_url: str) -> bool:
    if old_url == new_url:
        return True
    try:
        return parse(old_url).destination == parse(new_url).destination
    except Unsafe:  # The rules may have become stricter since the old URL was stored.
        return False


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
