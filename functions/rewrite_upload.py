"""Consumer of the `rewrites` queue: a large file is rewritten in UTF-8, then split."""

from __future__ import annotations

from chalicelib.importing import splitting
from chalicelib.messages import RewriteMessage
from functions.composition import backends
from functions.consumers import SecondsLeft
from functions.work import works_on


@works_on("rewrites", RewriteMessage)
def handle(message: RewriteMessage, _: SecondsLeft) -> None:
    """Rewrites the file of an import."""
    splitting.rewrite_upload(backends(), message.import_id)
