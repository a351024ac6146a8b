"""Consumer of the `bulk-deletes` queue: carries out a bulk delete, step by step."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.catalogue import bulk_deletes
from functions.composition import backends
from functions.messages import BulkDeleteMessage, each_record, seconds_left_of


def bulk_delete_products(event: SQSEvent) -> None:
    """Deletes rows for as long as the invocation lasts, then hands over to the next one."""
    seconds_left = seconds_left_of(event)

    def handle(record: SQSRecord) -> None:
        job = BulkDeleteMessage.model_validate_json(record.body)
        bulk_deletes.carry_out(backends(), job.bulk_delete, seconds_left)

    each_record(event, "bulk-deletes", handle)
