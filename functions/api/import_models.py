"""The models of /imports: what requests must contain, what answers contain, and what the OpenAPI document describes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from chalicelib.backends.file_store import PresignedUpload
from chalicelib.csvfile.transcode import ENCODINGS
from chalicelib.importing import records
from chalicelib.importing.outcomes import Outcome, Result
from chalicelib.importing.progress import Progress, ThroughputStep
from chalicelib.importing.rejected_rows import StoredRejection
from chalicelib.limits import (
    FILE_BYTES_MAX,
    FILENAME_CHARACTERS_MAX,
    IMPORT_DETAILS_KEPT_DAYS,
    LIST_TEXT_CHARACTERS_MAX,
)
from functions.api.end_reason import EndReason
from functions.api.field_types import Matching
from functions.api.request_parsing import json_integer

Time = Annotated[datetime, AfterValidator(lambda value: value.astimezone(UTC))]
Count = Annotated[int, Field(ge=0)]
LISTED_RAW_BYTES = 4 * LIST_TEXT_CHARACTERS_MAX + 1
"""Enough of a rejected row to see whether it is longer than a list shows: a character has at most four bytes."""


def _known_encoding(name: str) -> str:
    if name.lower() not in ENCODINGS:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")
    return name


class NewImport(BaseModel):
    """An upload to register."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"filename": "products.csv", "size_bytes": 75_000_000}]},
    )

    filename: Annotated[
        str,
        Field(
            min_length=1,
            max_length=FILENAME_CHARACTERS_MAX,
            description="The name that users see",
        ),
        Matching(r"^[^\x00-\x1f\x7f]+$", "contains a control character, such as a line break; remove it"),
    ]
    size_bytes: Annotated[
        int,
        Field(ge=1, le=FILE_BYTES_MAX, description="The exact size; the signed link accepts no other"),
        BeforeValidator(json_integer),
    ]
    encoding: Annotated[
        Annotated[str, AfterValidator(_known_encoding), Field(json_schema_extra={"enum": [*ENCODINGS]})] | None,
        Field(
            description="Needed only if the file is neither UTF-8, nor UTF-16 with a byte order mark. "
            "Names are case-insensitive"
        ),
    ] = None


class RowCounts(BaseModel):
    """The receipt: total = created + updated + unchanged + superseded + rejected."""

    total: Count
    created: Count
    updated: Count
    unchanged: Count
    superseded: Annotated[
        int, Field(ge=0, description="A later row with the same SKU, or a newer change of the product, was used")
    ]
    rejected: Count


class ByteCounts(BaseModel):
    """How much of the file has been processed, in bytes of the file as it was uploaded."""

    total: Count
    done: Count


class ImportEndReason(EndReason):
    """Why an import ended early."""

    retryable: Annotated[bool, Field(description="Whether `retry` can help")]


class Import(BaseModel):
    """One import: its progress while it runs, its receipt after it has ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "019a2b3c-0000-7000-8000-000000000000",
                    "status": "processing",
                    "outcome": None,
                    "summary": None,
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
                    "warnings": ["Unknown columns were ignored: “colour”."],
                    "created_at": "2026-01-31T12:00:00Z",
                    "started_at": "2026-01-31T12:00:02Z",
                    "finished_at": None,
                    "file_kept": True,
                    "details_kept": True,
                },
                {
                    "id": "019a2b3c-0000-7000-8000-000000000000",
                    "status": "completed",
                    "outcome": "completed_with_rejected_rows",
                    "summary": "Completed with 10 rejected rows",
                    "filename": "products.csv",
                    "percent": 100.0,
                    "rows": {
                        "total": 500_000,
                        "created": 480_000,
                        "updated": 19_000,
                        "unchanged": 900,
                        "superseded": 90,
                        "rejected": 10,
                    },
                    "bytes": {"total": 75_000_000, "done": 75_000_000},
                    "bytes_per_second": 15_000_000,
                    "rows_per_second": 100_000,
                    "eta_seconds": None,
                    "attempt": 1,
                    "error": None,
                    "warnings": [],
                    "created_at": "2026-01-31T12:00:00Z",
                    "started_at": "2026-01-31T12:00:02Z",
                    "finished_at": "2026-01-31T12:00:07Z",
                    "file_kept": True,
                    "details_kept": True,
                },
            ]
        }
    )

    id: Annotated[str, Field(description="Opaque")]
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    outcome: Annotated[
        Outcome | None,
        Field(
            description="How the import ended; null while it is pending or processing. `completed`: every row was "
            "accepted. `completed_with_rejected_rows`: some rows were. `nothing_imported`: completed, but every row "
            "was rejected, or the file has no rows. `ignored`: the object in S3 is not a product file"
        ),
    ]
    summary: Annotated[
        str | None, Field(description="The outcome as one English phrase for people; programs compare `outcome`")
    ]
    filename: str
    percent: Annotated[float, Field(ge=0, le=100, description="Never decreases; 100 exactly when completed")]
    rows: RowCounts
    bytes: ByteCounts
    bytes_per_second: Annotated[int | None, Field(description="Null until some of the file is done")]
    rows_per_second: int | None
    eta_seconds: Annotated[int | None, Field(description="Null unless the import is processing")]
    attempt: Annotated[int, Field(ge=1)]
    error: ImportEndReason | None
    warnings: list[str]
    created_at: Time
    started_at: Annotated[Time | None, Field(description="When the file was seen in S3")]
    finished_at: Time | None
    file_kept: Annotated[bool, Field(description="False once S3 has confirmed that the file is no longer stored")]
    details_kept: Annotated[
        bool,
        Field(
            description="Whether rejected rows and throughput can be read: for "
            f"{IMPORT_DETAILS_KEPT_DAYS} days after the import has ended, and as long as it can be retried"
        ),
    ]

    @property
    def runs(self) -> bool:
        """Whether the import can still change without a request."""
        return self.status in {"pending", "processing"}

    @classmethod
    def of(cls, import_: records.Import) -> Import:
        """Builds the model of an import."""
        return cls.model_validate(_content(import_))


class UploadLink(BaseModel):
    """How to send the file: once, with exactly these headers and exactly the registered number of bytes."""

    method: Literal["PUT"]
    url: Annotated[str, Field(description="Presigned: anyone who has it may upload")]
    headers: dict[str, str]
    expires_at: Time


class RegisteredImport(Import):
    """A registered import."""

    model_config = ConfigDict(json_schema_extra={})

    upload: Annotated[
        UploadLink | None, Field(description="Null in a repeated answer if the import no longer waits for its file")
    ]

    @classmethod
    def of_upload(cls, import_: records.Import, upload: PresignedUpload | None) -> RegisteredImport:
        """Builds the model of an import that has just been registered, or is registered again."""
        return cls.model_validate({**_content(import_), "upload": vars(upload) if upload else None})


class Throughput(BaseModel):
    """The speed of an import over time, for a chart: the rows done in each of several equal time steps."""

    step_seconds: Annotated[float, Field(ge=0, description="The length of each step; 0 before anything is done")]
    rows: list[Count]

    @classmethod
    def of(cls, steps: list[ThroughputStep]) -> Throughput:
        """Builds the model of the steps, which all have the same length."""
        return cls(step_seconds=steps[0].seconds if steps else 0.0, rows=[step.rows for step in steps])


class RejectedRow(BaseModel):
    """A row that was not imported, and the reason."""

    line: Annotated[int, Field(ge=1, description="The physical line; the header is 1")]
    column: Annotated[str | None, Field(description="Null when the whole row was rejected")]
    code: str
    message: str
    raw: Annotated[
        str,
        Field(
            description="The row as it is in the file, or its beginning: at most "
            f"{LIST_TEXT_CHARACTERS_MAX} characters. The CSV has all that is stored"
        ),
    ]
    raw_is_cut: Annotated[bool, Field(description="Whether `raw` is only the beginning of the row")]

    @classmethod
    def of(cls, row: StoredRejection) -> RejectedRow:
        """Builds the model of a rejected row. Bytes that are not UTF-8 are replaced here, but not in the CSV."""
        raw = row.raw.decode("utf-8", "replace")
        shown = raw[:LIST_TEXT_CHARACTERS_MAX]
        return cls(
            line=row.line,
            column=row.column_name,
            code=row.code,
            message=row.message,
            raw=shown,
            raw_is_cut=row.raw_is_cut or shown != raw,
        )


def _content(import_: records.Import) -> dict[str, Any]:
    progress = Progress.of(import_, datetime.now(UTC))
    reason = import_.end_reason
    result = Result.of(import_.status, import_.error_code, import_.rows)
    return {
        "id": str(import_.id),
        "status": import_.status,
        "outcome": result.outcome if result else None,
        "summary": result.summary if result else None,
        "filename": import_.filename,
        "percent": progress.percent,
        "rows": import_.rows.to_json(),
        "bytes": {"total": progress.total_bytes, "done": progress.done_bytes},
        "bytes_per_second": progress.bytes_per_second,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": progress.eta_seconds,
        "attempt": import_.attempt,
        "error": asdict(reason) if reason else None,
        "warnings": import_.warnings,
        "created_at": import_.created_at,
        "started_at": import_.started_at,
        "finished_at": import_.finished_at,
        "file_kept": import_.file_kept,
        "details_kept": import_.details_kept,
    }
