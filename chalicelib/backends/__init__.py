"""Everything outside the process: PostgreSQL, the file store (S3), the queues (SQS), secrets and keys (KMS).

The only room that imports boto3. `Backends` holds the database, the file store and the queues of a process; domain
functions take it as their first argument. The file store and the queues are protocols (file_store.py, queues.py), which
s3.py and sqs.py implement, and the fakes of the tests as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from chalicelib.backends.credentials import conninfo
from chalicelib.backends.database import Database
from chalicelib.backends.file_store import FileStore
from chalicelib.backends.queues import Queues
from chalicelib.backends.s3 import S3FileStore
from chalicelib.backends.sqs import SqsQueues
from chalicelib.limits import CHUNK_CONCURRENCY
from chalicelib.settings import Settings

RELAY_QUEUE = "events"
"""The queue that wakes the relay when there are new events."""
CHANGES_QUEUE = "changes"
"""The queue that wakes `index_products` when products have changed."""


@dataclass(frozen=True)
class Backends:
    """What the domain functions take as their first argument."""

    database: Database
    files: FileStore
    queues: Queues
    chunk_concurrency: int = CHUNK_CONCURRENCY
    """How many chunks are written at a time."""


def connect(settings: Settings) -> Backends:
    """The backends of one stage. Nothing is contacted yet."""
    queues = SqsQueues(settings.stage)
    return Backends(
        database=Database(
            partial(conninfo, settings),
            announce=partial(queues.wake, RELAY_QUEUE),
            announce_changes=partial(queues.wake_soon, CHANGES_QUEUE),
            pooled=settings.database_pooled,
        ),
        files=S3FileStore(settings.files_bucket, settings.s3_public_endpoint_url),
        queues=queues,
        chunk_concurrency=settings.chunk_concurrency,
    )
