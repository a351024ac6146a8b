"""One attempt: a signed request to a receiver, and what the log may show of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.backends.sealing import Unsealable
from chalicelib.events import Event
from chalicelib.limits import RESPONSE_BYTES_KEPT, SECRET_CHARACTERS_MIN
from chalicelib.webhooks import retry_schedule, signatures, webhooks
from chalicelib.webhooks.outbound.post import Response, Unreachable, Unsafe
from chalicelib.webhooks.retry_schedule import Verdict
from chalicelib.webhooks.webhooks import Sending, Webhook

USER_AGENT = "Product-Importer-Webhooks/1"
HIDDEN = "(hidden)"
"""What the log shows in place of the customer's own values, and of signatures, which stay valid for five minutes."""


@dataclass(frozen=True)
class Attempt:
    """An attempt that has ended: with a response, with an error, or with a response that is an error."""

    started_at: datetime
    milliseconds: int
    request_headers: dict[str, str]
    response: Response | None = None
    error: str | None = None
    response_body: bytes | None = None
    """The beginning of its body, as the log may show it."""

    @property
    def status_code(self) -> int | None:
        """The status of the response, if there was one."""
        return self.response.status if self.response else None

    @property
    def verdict(self) -> Verdict:
        """What the response means for the delivery."""
        return retry_schedule.judge(self.status_code)

    @property
    def result(self) -> dict[str, Any]:
        """What is stored with the delivery and with its webhook, as well as in the log."""
        return {"status_code": self.status_code, "milliseconds": self.milliseconds, "error": self.error}


def send(sending: Sending, webhook: Webhook, event: Event) -> Attempt:
    """Sends an event to a webhook once. What goes wrong is part of the result, for the log; raises only Transient."""
    started_at, began = datetime.now(UTC), time.monotonic()
    shown: dict[str, str] = {}
    response, error, response_body = None, None, None
    try:
        body = event.body()
        own = webhooks.headers_of(sending, webhook)
        secrets = webhooks.secrets_of(sending, webhook)
        signed = signatures.sign(secrets, str(event.id), int(started_at.timestamp()), body)
        ours = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
        shown = {**dict.fromkeys(own, HIDDEN), **ours, signatures.SIGNATURE_HEADER: HIDDEN}
        response = sending.outbound.post(webhook.url, {**own, **ours}, body)
        hidden = [*own.values(), signed[signatures.SIGNATURE_HEADER]]
        response_body = _without(response.body, hidden)[:RESPONSE_BYTES_KEPT]
        if not 200 <= response.status < 300:
            error = f"the receiver responded with status {response.status}; only 200 to 299 count as delivered"
    except (Unreachable, Unsafe, Unsealable) as failure:
        error = str(failure)
    milliseconds = round((time.monotonic() - began) * 1000)
    return Attempt(started_at, milliseconds, shown, response, error, response_body)


def _without(body: bytes, values: Iterable[str]) -> bytes:
    """Hides values of the request that the response quotes, as in "unknown key …". Short words are no secrets."""
    words = {word for value in values for word in value.split(" ") if len(word) >= SECRET_CHARACTERS_MIN}
    for word in sorted(words, key=len, reverse=True):  # One may be part of another.
        for form in (word, json.dumps(word)[1:-1]):
            body = body.replace(form.encode(), HIDDEN.encode())
    return body
