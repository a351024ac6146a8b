"""Consumer of the `bulk-deletes` queue: carries out a bulk delete, step by step."""

from __future__ import annotations

from chalicelib.catalogue import bulk_deletes
from chalicelib.messages import BulkDeleteMessage
from functions.composition import backends
from functions.consumers import SecondsLeft
from functions.work import works_on


@works_on("bulk-deletes", BulkDeleteMessage)
def handle(message: BulkDeleteMessage, seconds_left: SecondsLeft) -> None:
    """Deletes rows for as long as the invocation lasts, then hands over to the next one."""
    bulk_deletes.carry_out(backends(), message.bulk_delete, seconds_left)
