"""A bulk delete as JSON: what clients send, and what they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.catalogue import bulk_deletes, jobs
from functions.api.end_reason import EndReason, end_reason_of


class NewBulkDelete(BaseModel):
    """A request to delete all products. It needs an exact text, so that no one sends it by accident."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"confirm": "DELETE ALL"}]})

    confirm: Literal["DELETE ALL"]


class BulkDelete(BaseModel):
    """A bulk delete and its progress."""

    id: str
    status: jobs.Status
    total: Annotated[int, Field(description="Products that existed when it was accepted; they are no longer visible")]
    deleted: Annotated[
        int, Field(description="How many of them have been removed so far; those written again in between stay")
    ]
    percent: Annotated[float, Field(description="100 exactly when completed")]
    error: EndReason | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, bulk_delete: bulk_deletes.BulkDelete) -> BulkDelete:
        """Returns the model of a bulk delete."""
        return cls(
            id=str(bulk_delete.id),
            status=bulk_delete.status,
            total=bulk_delete.total,
            deleted=bulk_delete.deleted,
            percent=bulk_delete.percent,
            error=end_reason_of(bulk_delete),
            created_at=bulk_delete.created_at,
            finished_at=bulk_delete.finished_at,
        )
