"""Why something ended early, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.catalogue.jobs import Job


class EndReason(BaseModel):
    """Why something ended early."""

    code: Annotated[str, Field(description="Stable, for programs")]
    message: str

    @classmethod
    def of(cls, job: Job) -> EndReason | None:
        """Returns the reason of a failed job; None for any other job."""
        if job.error_code is None or job.error_message is None:
            return None
        return cls(code=job.error_code, message=job.error_message)
