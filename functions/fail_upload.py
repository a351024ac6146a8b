"""Consumer of the uploads queue's dead letters: the import ends with a reason."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.messages import UploadMessage, each_record


def fail_upload(event: SQSEvent) -> None:
    """Ends the import of each object that could not be split."""

    def handle(record: SQSRecord) -> None:
        message = UploadMessage.model_validate_json(record.body)
        for bucket, stored in message.objects():
            dead_letters.fail_upload(backends(), bucket, stored)
        if message.continue_import:
            dead_letters.fail_continuation(backends(), message.continue_import)

    each_record(event, "uploads-dead", handle)
