"""What the API shows of imports: the models that answers are built of, and that the OpenAPI document describes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from psycopg.rows import DictRow
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chalicelib.backends.file_store import PresignedUpload
from chalicelib.importing import imports
from chalicelib.importing.progress import Progress

Time = Annotated[datetime, AfterValidator(lambda value: value.astimezone(UTC))]
Count = Annotated[int, Field(ge=0)]


class RowCounts(BaseModel):
    """The receipt: total = created + updated + unchanged + superseded + rejected."""

    total: Count
    created: Count
    updated: Count
    unchanged: Count
    superseded: Annotated[int, Field(ge=0, description="Lost to another row of the file, or to something newer")]
    rejected: Count


class ByteCounts(BaseModel):
    """How much of the file has been read."""

    total: Count
    done: Count


class EndReason(BaseModel):
    """Why an import ended early."""

    code: Annotated[str, Field(description="Stable, for programs")]
    message: str
    retryable: Annotated[bool, Field(description="Whether `retry` can help")]


class ImportAnswer(BaseModel):
    """One import: progress while it runs, the receipt when it has ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "019a2b3c-0000-7000-8000-000000000000",
                    "status": "processing",
                    "filename": "products.csv",
                    "percent": 42.5,
                    "rows": {
                        "total": 212_500,
                        "created": 200_000,
                        "updated": 12_000,
                        "unchanged": 400,
                        "superseded": 90,
                        "rejected": 10,
                    },
                    "bytes": {"total": 75_000_000, "done": 31_875_000},
                    "bytes_per_second": 15_000_000,
                    "rows_per_second": 100_000,
                    "eta_seconds": 3,
                    "attempt": 1,
                    "error": None,
                    "warnings": ["The column “colour” is not known and was ignored."],
                    "created_at": "2026-01-31T12:00:00Z",
                    "started_at": "2026-01-31T12:00:02Z",
                    "finished_at": None,
                }
            ]
        }
    )

    id: Annotated[str, Field(description="Opaque")]
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    filename: str
    percent: Annotated[float, Field(ge=0, le=100, description="Never goes back; 100 exactly when completed")]
    rows: RowCounts
    bytes: ByteCounts
    bytes_per_second: Annotated[int | None, Field(description="Null before anything is done")]
    rows_per_second: int | None
    eta_seconds: Annotated[int | None, Field(description="Null unless it runs")]
    attempt: Annotated[int, Field(ge=1)]
    error: EndReason | None
    warnings: list[str]
    created_at: Time
    started_at: Annotated[Time | None, Field(description="When its file was seen")]
    finished_at: Time | None

    @property
    def runs(self) -> bool:
        """Whether asking again will show something new."""
        return self.status in {"pending", "processing"}


class UploadLink(BaseModel):
    """How to send the file: exactly these headers, exactly the promised number of bytes, once."""

    method: Literal["PUT"]
    url: Annotated[str, Field(description="Presigned: whoever has it may upload")]
    headers: dict[str, str]
    expires_at: Time


class NewImportAnswer(ImportAnswer):
    """A registered import."""

    model_config = ConfigDict(json_schema_extra={})

    upload: Annotated[
        UploadLink | None, Field(description="Null in a repeated answer when the file is no longer waited for")
    ]


class ThroughputAnswer(BaseModel):
    """How fast an import went, for a picture: the rows done in each of some equal stretches of time, from its start."""

    step_seconds: Annotated[float, Field(ge=0, description="How long each stretch is; 0 before anything is done")]
    rows: list[Count]


class RejectedRowAnswer(BaseModel):
    """A row that was not imported, and why."""

    line: Annotated[int, Field(ge=1, description="The physical line; the header is 1")]
    column: Annotated[str | None, Field(description="Null where the whole row is the matter")]
    code: str
    message: str
    raw: Annotated[str, Field(description="The row as it stands in the file")]


def import_answer(found: DictRow) -> ImportAnswer:
    """What is shown of an import with its sums (`find_import`)."""
    return ImportAnswer.model_validate(_content(found))


def new_import_answer(found: DictRow, upload: PresignedUpload | None) -> NewImportAnswer:
    """What is shown of an import when it is registered."""
    return NewImportAnswer.model_validate({**_content(found), "upload": vars(upload) if upload else None})


def rejected_row_answer(row: DictRow) -> RejectedRowAnswer:
    """What is shown of a rejected row. Bytes that are not UTF-8 are replaced; the CSV has them as they were."""
    return RejectedRowAnswer(
        line=row["line"],
        column=row["column_name"],
        code=row["code"],
        message=row["message"],
        raw=bytes(row["raw"]).decode("utf-8", "replace"),
    )


def _content(found: DictRow) -> dict[str, object]:
    progress = Progress.of(found, datetime.now(UTC))
    return {
        "id": str(found["id"]),
        "status": found["status"],
        "filename": found["filename"],
        "percent": progress.percent,
        "rows": imports.rows(found),
        "bytes": {"total": progress.total_bytes, "done": progress.done_bytes},
        "bytes_per_second": progress.bytes_per_second,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": progress.eta_seconds,
        "attempt": found["attempt"],
        "error": imports.error(found),
        "warnings": found["warnings"],
        "created_at": found["created_at"],
        "started_at": found["started_at"],
        "finished_at": found["finished_at"],
    }
