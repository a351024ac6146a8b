"""The reason why a request is not sent, in terms of what a person has typed."""

from __future__ import annotations

from chalicelib.errors import FieldError, Invalid


class Unsafe(Invalid):
    """Nothing was sent, because that would not be safe. The message reveals nothing about the internal network."""

    code = "unsafe_url"

    def __init__(self, message: str) -> None:
        super().__init__(message, errors=(FieldError("/url", message),))


def described(character: str) -> str:
    """Names a character so that a person can find it. Many look like others, so all but ASCII have their number."""
    if character == " ":
        return "a space"
    if not character.isprintable():
        return f"the invisible character U+{ord(character):04X}"
    return f"“{character}”" if character.isascii() else f"“{character}” (U+{ord(character):04X})"
