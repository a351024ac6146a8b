"""What bulk deletes and exports have in common: work in the background that clients can watch.

pending ──first step──▶ processing ──last step──▶ completed
   │                        │
   └──────────fail──────────┴───────────────────▶ failed
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["pending", "processing", "completed", "failed"]
RUNNING: tuple[Status, ...] = ("pending", "processing")


@dataclass(frozen=True)
class Job:
    """The state of a job. `error_code` and `error_message` say why a failed one ended; they are None otherwise."""

    id: uuid.UUID
    status: Status
    error_code: str | None
    error_message: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in RUNNING
