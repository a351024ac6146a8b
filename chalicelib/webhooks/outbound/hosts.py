"""The host of a URL in the form that DNS, TLS and HTTP use: an address, or a name in ASCII.

An international name (`müller.example`) is accepted if every program that reads URLs turns it into the same ASCII form
(`xn--mller-kva.example`). So it must be valid by IDNA 2008, and the conversion by UTS 46 that comes first, in browsers
for example, may change nothing but case and the composition of accents. What else it would change is refused: digits
and letters of full width, dots of other scripts, ligatures, invisible characters.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from unicodedata import normalize

import idna

from chalicelib.webhooks.outbound.unsafe import Unsafe, described

HOST_CHARACTERS_MAX = 253
"""The limit of DNS, as the following one is."""
LABEL_CHARACTERS_MAX = 63
_CAPITAL_SHARP_S = "ẞ"
"""Programs older than Unicode 15.1 read it as ss, newer ones as ß."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")


def ascii_host(typed: str) -> str:
    """A host name in ASCII and lower case, or an address in its usual form, without brackets. Raises Unsafe."""
    if typed.startswith("["):
        return _ipv6(typed)
    # Resolvers read 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 as IPv4 addresses, each in its own way, and some programs
    # read digits of other scripts. No name ends with a number.
    last_label = normalize("NFKC", typed).replace("。", ".").removesuffix(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last_label):
        return _ipv4(typed)
    host = ".".join(_ascii_label(label) for label in _lower_case(typed).split("."))
    for label in host.removesuffix(".").split("."):
        _check_label(label)
    if len(host) > HOST_CHARACTERS_MAX:
        raise Unsafe(f"the host has more than {HOST_CHARACTERS_MAX} characters (counted in its xn-- form)")
    return host


def _ipv6(typed: str) -> str:
    try:
        return str(IPv6Address(typed[1:-1]))
    except ValueError:
        raise Unsafe(f"{typed} is not an IPv6 address") from None


def _ipv4(typed: str) -> str:
    try:
        return str(IPv4Address(typed))
    except ValueError:
        raise Unsafe(f"{typed} is not an IPv4 address: write four decimal numbers separated by dots") from None


def _lower_case(typed: str) -> str:
    """Composes accents, and makes letters small. Raises Unsafe if a program that follows UTS 46 would do otherwise."""
    composed = normalize("NFC", typed)
    for character in composed:
        if _mapped(character) != character.lower() or character == _CAPITAL_SHARP_S:
            raise _misplaced(character)
    return normalize("NFC", "".join(character.lower() for character in composed))


def _mapped(character: str) -> str | None:
    try:
        return idna.uts46_remap(character, std3_rules=False)
    except idna.IDNAError:
        return None


def _ascii_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    try:
        return idna.alabel(label).decode("ascii")  # For a label in ASCII, this checks what it stands for.
    except idna.IDNAError as error:
        if error.codepoint is not None and not label.isascii():
            raise _misplaced(chr(error.codepoint)) from None
        raise Unsafe(
            f"“{label[:LABEL_CHARACTERS_MAX]}” is not a valid part of an international host name: check the spelling"
        ) from None


def _check_label(label: str) -> None:
    if not label:
        raise Unsafe("the host has an empty part: write exactly one dot between its parts, and none before them")
    if len(label) > LABEL_CHARACTERS_MAX:
        raise Unsafe(f"the host has a part with more than {LABEL_CHARACTERS_MAX} characters between two dots")
    if not _LABEL.fullmatch(label):
        raise Unsafe(f"“{label}” cannot be part of a host name: use letters, digits, and hyphens between them")


def _misplaced(character: str) -> Unsafe:
    return Unsafe(f"the host contains {described(character)}, which is not allowed there: check the spelling")
