"""Consumer of the bulk-deletes queue's dead letters: the bulk delete fails with a reason."""

from __future__ import annotations

from chalicelib.messages import BulkDeleteMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("bulk-deletes-dead", BulkDeleteMessage)
def handle(message: BulkDeleteMessage, _: SecondsLeft) -> None:
    """Ends a bulk delete that failed at every try and that no other message advances."""
    dead_letters.fail_bulk_delete(backends(), message.bulk_delete)
