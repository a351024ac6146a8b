"""Why something ended early, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.catalogue.jobs import Job


class EndReason(BaseModel):
    """Why something ended early."""

    code: Annotated[str, Field(description="Stable, for programs")]
    message: str


def end_reason_of(job: Job) -> EndReason | None:
    """The reason of a failed export or bulk delete; None for any other."""
    if job.error_code is None or job.error_message is None:
        return None
    return EndReason(code=job.error_code, message=job.error_message)
