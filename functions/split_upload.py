"""Consumer of the `uploads` queue: an object was created, or an import is to go on."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.importing import splitting
from functions.composition import backends
from functions.messages import UploadMessage, each_record, seconds_left_of


def split_upload(event: SQSEvent) -> None:
    """Splits each object into chunk messages, for as long as the invocation lasts."""
    seconds_left = seconds_left_of(event)

    def handle(record: SQSRecord) -> None:
        message = UploadMessage.model_validate_json(record.body)
        for bucket, stored in message.objects():
            splitting.split_upload(backends(), bucket, stored, seconds_left)
        if message.continue_import:
            splitting.continue_splitting(backends(), message.continue_import, seconds_left)

    each_record(event, "uploads", handle)
