"""What schemathesis cannot know from the document: values that are valid only where the server gave them."""

from __future__ import annotations

import uuid
from typing import Any

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook  # type: ignore[untyped-decorator]  # it is not installed where types are checked
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Made-up cursors and repeated keys are refused, as they should be; they are left to the project's own tests."""
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    if case.headers and KEY in case.headers:
        case.headers[KEY] = str(uuid.uuid4())
