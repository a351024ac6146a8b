"""An export as JSON: what clients send, and what they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chalicelib.catalogue import jobs
from chalicelib.exporting import exports
from chalicelib.limits import FILTER_CHARACTERS_MAX
from functions.api.end_reason import EndReason, end_reason_of
from functions.api.field_types import NO_NUL, storable_text

Contained = Annotated[
    str, Field(max_length=FILTER_CHARACTERS_MAX, json_schema_extra={**NO_NUL}), AfterValidator(storable_text)
]


class NewExport(BaseModel):
    """Which products to export: those that match all given filters.

    Texts match as in the list of products: they are trimmed; upper and lower case, and composed and decomposed letters,
    are the same; `%` and `_` are literal.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"name": "drill", "active": True}]}
    )

    sku: Contained | None = None
    name: Contained | None = None
    description: Contained | None = None
    active: bool | None = None
    q: Annotated[Contained | None, Field(description="Matches in the SKU, the name or the description")] = None


class Download(BaseModel):
    """A link that anyone who has it can open until it expires. Reading the export again returns a new one."""

    url: str
    expires_at: datetime


class ListedExport(BaseModel):
    """An export and its progress, without the link to its file: read the export to get one."""

    id: str
    status: jobs.Status
    rows: Annotated[int, Field(description="Products written so far")]
    size_bytes: Annotated[int, Field(description="Bytes written so far")]
    percent: Annotated[float, Field(description="Of the catalogue's estimated size; 100 exactly when completed")]
    error: EndReason | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def listed(cls, export: exports.Export) -> ListedExport:
        """Returns the model of an export in a list."""
        return cls(**_fields(export))


class Export(ListedExport):
    """An export, its progress, and a link to its file."""

    download: Annotated[Download | None, Field(description="Present when completed, as long as the file is stored")]

    @classmethod
    def of(cls, export: exports.Export, download: exports.Download | None) -> Export:
        """Returns the model of an export, with a link to its file if there is one."""
        link = Download(url=download.url, expires_at=download.expires_at) if download else None
        return cls(**_fields(export), download=link)


def _fields(export: exports.Export) -> dict[str, Any]:
    return {
        "id": str(export.id),
        "status": export.status,
        "rows": export.exported_rows,
        "size_bytes": export.size_bytes,
        "percent": export.percent,
        "error": end_reason_of(export),
        "created_at": export.created_at,
        "finished_at": export.finished_at,
    }
