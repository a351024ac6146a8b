"""What schemathesis cannot know from the document: values that are valid only where the server gave them."""

from __future__ import annotations

import os
import uuid
from typing import Any

import schemathesis

KEY = "Idempotency-Key"
IMPORT_PARAMETER = "import_id"
IMPORT_ID = os.environ["CONTRACT_IMPORT_ID"]
"""Of an import that has ended; `trial.py` made it."""


@schemathesis.hook  # type: ignore[untyped-decorator]  # it is not installed where types are checked
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Made-up cursors, ids and keys that repeat are refused, as they should be; the project's own tests see to that.

    Ids of products, exports and bulk deletes stay made up, or come by the document's links from what schemathesis made.
    """
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    if case.headers and KEY in case.headers:
        case.headers[KEY] = str(uuid.uuid4())
    if case.path_parameters and _is_made_up(case.path_parameters.get(IMPORT_PARAMETER)):
        case.path_parameters[IMPORT_PARAMETER] = IMPORT_ID


def _is_made_up(given: object) -> bool:
    """Whether there is an id, and none that could be one of the server's."""
    try:
        uuid.UUID(str(given))
    except ValueError:
        return given is not None
    return False
