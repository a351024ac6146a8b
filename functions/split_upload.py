"""Consumer of the `uploads` queue: an object was created, or an import should continue."""

from __future__ import annotations

from chalicelib.importing import splitting
from chalicelib.messages import UploadMessage
from functions.composition import backends
from functions.consumers import SecondsLeft
from functions.work import works_on


@works_on("uploads", UploadMessage)
def handle(message: UploadMessage, seconds_left: SecondsLeft) -> None:
    """Splits each object into chunks, for as long as the invocation lasts."""
    for bucket, stored in message.objects():
        splitting.split_upload(backends(), bucket, stored, seconds_left)
    if message.continue_import:
        splitting.continue_splitting(backends(), message.continue_import, seconds_left)
