"""Consumer of the uploads queue's dead letters: the import fails with a reason."""

from __future__ import annotations

from chalicelib.messages import UploadMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("uploads-dead", UploadMessage)
def handle(message: UploadMessage, _: SecondsLeft) -> None:
    """Ends the import of each object that could not be split."""
    for bucket, stored in message.objects():
        dead_letters.fail_upload(backends(), bucket, stored)
    if message.continue_import:
        dead_letters.fail_continuation(backends(), message.continue_import)
