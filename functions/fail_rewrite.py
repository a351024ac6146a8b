"""Consumer of the dead letters of the `rewrites` queue: the import fails with a reason."""

from __future__ import annotations

from chalicelib.messages import RewriteMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("rewrites-dead", RewriteMessage)
def handle(message: RewriteMessage, _: SecondsLeft) -> None:
    """Ends an import whose file could not be rewritten."""
    dead_letters.fail_continuation(backends(), message.import_id)
