"""Decides which requests reach an emulator: signed ones, sent to its own address, and from no page but ours.

A browser on this machine reaches every port of it. So any web page can submit a form to an emulator, or read from it
through DNS rebinding, unless its requests are refused here. The launchers run this in the emulators' environments, so
it needs the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

HOSTS = "GUARD_HOSTS"
ORIGINS = "GUARD_ORIGINS"
"""The environment variables of a launcher. Their values are separated by commas."""
ANY_ORIGIN = "*"
HEALTH_PATH = "/_localstack/health"
"""Answers without a signature: the stack asks it whether the emulator is ready."""
SIGNED = "AWS"
"""How the Authorization header of signed requests starts, as in AWS4-HMAC-SHA256. Browsers never send that themselves:
for a URL with a password they send Basic."""
LINK_SIGNATURES = {"X-Amz-Signature", "Signature"}
ADDRESS_TEXT = "The request is for another host. This emulator answers at {} only."
ORIGIN_TEXT = "Pages of this origin may not use this emulator."
SIGNATURE_TEXT = "The request is not signed. Use the access key and the secret key of the stack, or a presigned link."


class RequestGuard:
    """Knows the emulator's own addresses (host:port) and the origins of the page; `*` among them allows every page."""

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._hosts = hosts
        self._origins = origins

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> RequestGuard:
        """The guard that the stack has configured. Raises KeyError when it has not."""
        return cls(*([each.strip() for each in environment[name].split(",")] for name in (HOSTS, ORIGINS)))

    def refusal(self, method: str, path: str, query: str, headers: Sequence[tuple[str, str]]) -> str | None:
        """Returns why this request is refused; None if it may pass."""
        values = _Headers(headers)
        hosts, origins = values.all("host"), values.all("origin")
        if not hosts or set(hosts) - set(self._hosts):
            return ADDRESS_TEXT.format(self._hosts[0])
        if ANY_ORIGIN not in self._origins and set(origins) - set(self._origins):
            return ORIGIN_TEXT
        # A preflight changes nothing. Browsers send it without credentials.
        if (method == "OPTIONS" and origins) or (method in ("GET", "HEAD") and path == HEALTH_PATH):
            return None
        return None if _is_signed(values.all("authorization"), path, query) else SIGNATURE_TEXT


class _Headers:
    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        self._headers = headers

    def all(self, wanted: str) -> list[str]:
        return [value for name, value in self._headers if name.lower() == wanted]


def _is_signed(authorization: Sequence[str], path: str, query: str) -> bool:
    if authorization:
        return all(value.startswith(SIGNED) for value in authorization)
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    # Links are for S3. The emulators do not check the signature of a link to a queue or to a page of their own, and a
    # foreign page can load such a link as an image, without an Origin.
    return bool(names & LINK_SIGNATURES) and "Action" not in names and not path.startswith("/_")
