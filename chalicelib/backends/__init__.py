"""Everything outside the process: PostgreSQL, the file store (S3), the queues (SQS), secrets and keys (KMS).

The only room that imports boto3. May import sql, settings, telemetry and below. `Backends` binds a process's database,
file store and queues together once; domain functions take it as their first argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from chalicelib.backends.credentials import conninfo
from chalicelib.backends.database import Database
from chalicelib.backends.file_store import Files
from chalicelib.backends.queues import Queues
from chalicelib.settings import Settings

RELAY_QUEUE = "events"
"""Where the relay hears that there are new events."""


@dataclass(frozen=True)
class Backends:
    """What the domain functions take as their first argument."""

    database: Database
    files: Files
    queues: Queues


def connect(settings: Settings) -> Backends:
    """The backends of one stage. Nothing is contacted yet."""
    queues = Queues(settings.stage)
    return Backends(
        database=Database(
            partial(conninfo, settings), announce=partial(queues.wake, RELAY_QUEUE), pooled=settings.database_pooled
        ),
        files=Files(settings.files_bucket, settings.s3_public_endpoint_url),
        queues=queues,
    )
