"""Consumer of the bulk-deletes queue's dead letters: the bulk delete ends with a reason."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.messages import BulkDeleteMessage, each_record


def fail_bulk_delete(event: SQSEvent) -> None:
    """Ends each bulk delete that failed at every try and that nobody advances."""

    def handle(record: SQSRecord) -> None:
        dead_letters.fail_bulk_delete(backends(), BulkDeleteMessage.model_validate_json(record.body).bulk_delete)

    each_record(event, "bulk-deletes-dead", handle)
