"""What schemathesis cannot know from the document: values that are valid only if the server issued them."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis

KEY = "Idempotency-Key"
IDS = {name: os.environ[f"CONTRACT_{name.upper()}"] for name in ("import_id", "delivery_id")}
"""The ids of a completed import and of a delivery, created by `trial.py`."""
WEBHOOK_URL = os.environ["CONTRACT_WEBHOOK_URL"]
"""The URL of a server that accepts webhooks; it runs as long as the trial."""


@schemathesis.hook  # type: ignore[untyped-decorator]  # schemathesis is not installed where types are checked
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Replaces made-up cursors and ids and repeated keys, which the API rightly refuses; other tests cover that.

    Other ids stay made up, or come from resources that schemathesis created, by the document's links.
    """
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    if case.headers and KEY in case.headers:
        case.headers[KEY] = str(uuid.uuid4())
    for name, known in IDS.items():
        if case.path_parameters and _is_made_up(case.path_parameters.get(name)):
            case.path_parameters[name] = known
    if case.path.startswith("/webhooks") and isinstance(case.body, dict):
        _make_deliverable(case.body)
    if case.path == "/tokens" and isinstance(case.body, dict):
        _make_creatable(case.body)


def _make_deliverable(webhook: dict[str, Any]) -> None:
    """Sets a URL that resolves, and drops headers that are to keep a value that was never stored."""
    if "url" in webhook:
        webhook["url"] = WEBHOOK_URL
    if isinstance(webhook.get("headers"), dict):
        webhook["headers"] = {name: value for name, value in webhook["headers"].items() if value is not None}


def _make_creatable(token: dict[str, Any]) -> None:
    """Sets a name of visible characters that no token has, and an expiry in the near future."""
    if "name" in token:
        token["name"] = str(uuid.uuid4())
    if token.get("expires_at") is not None:
        token["expires_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _is_made_up(given: object) -> bool:
    """Whether an id is given that cannot be one of the server's."""
    try:
        uuid.UUID(str(given))
    except ValueError:
        return given is not None
    return False
