"""The log: a line for each thing that was done, with the ids it belongs to and its measures.

The domain says what happened; the edge decides how a line is written (functions/logs.py). The first caller that knows
an id binds it, and every line that is logged inside carries it. So all lines of an import, a chunk or a request can be
found, whichever function wrote them.

Changes made by a transaction are logged by `Transaction.log`, after its commit: what is rolled back did not happen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

_logger = logging.getLogger("chalicelib")
_ids: ContextVar[Mapping[str, Any]] = ContextVar("ids", default={})  # noqa: B039  # never changed, only replaced


class Unit(StrEnum):
    """The unit of a measure, by CloudWatch's name."""

    COUNT = "Count"
    BYTES = "Bytes"
    MILLISECONDS = "Milliseconds"
    PERCENT = "Percent"


@dataclass(frozen=True)
class Measure:
    """A number that CloudWatch sums up, charts and watches. With `by_function`, each function has its own."""

    unit: Unit
    meaning: str
    by_function: bool = False


MEASURES: Mapping[str, Measure] = {
    "ImportsCompleted": Measure(Unit.COUNT, "imports that completed"),
    "ImportsFailed": Measure(Unit.COUNT, "imports that failed; an alarm watches this"),
    "RowsCreated": Measure(Unit.COUNT, "rows that created a product"),
    "RowsUpdated": Measure(Unit.COUNT, "rows that changed a product"),
    "RowsUnchanged": Measure(Unit.COUNT, "rows equal to the stored product"),
    "RowsSuperseded": Measure(Unit.COUNT, "rows that lost to a newer change"),
    "RowsRejected": Measure(Unit.COUNT, "rows that broke a rule"),
    "SplitBytes": Measure(Unit.BYTES, "bytes of files split into chunks"),
    "SplitMilliseconds": Measure(Unit.MILLISECONDS, "splitting in one invocation, reading from S3 included"),
    "ChunkBytes": Measure(Unit.BYTES, "bytes of a chunk"),
    "ChunkReadMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: reading its bytes from S3"),
    "ChunkParseMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: parsing and checking its rows"),
    "ChunkCopyMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: COPY into the temporary table"),
    "ChunkWriteMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: the transaction that writes products"),
    "ChunksTimedOut": Measure(Unit.COUNT, "chunks that the database did not write in time; they come back in pieces"),
    "EventsRelayed": Measure(Unit.COUNT, "events taken from the outbox"),
    "DeliveryMilliseconds": Measure(Unit.MILLISECONDS, "one attempt at a webhook, until its answer or failure"),
    "DeliveriesFailed": Measure(Unit.COUNT, "attempts at webhooks that failed"),
    "RowsExported": Measure(Unit.COUNT, "products written into exports"),
    "ExportsFailed": Measure(Unit.COUNT, "exports that failed"),
    "ProductsDeleted": Measure(Unit.COUNT, "products removed by bulk deletes"),
    "BulkDeletesFailed": Measure(Unit.COUNT, "bulk deletes that failed"),
    "WrongSkuKeys": Measure(Unit.COUNT, "products whose stored key is not that of their SKU; an alarm watches this"),
    "OperationNumbersUsedPercent": Measure(Unit.PERCENT, "operation numbers used so far; an alarm watches this"),
    "Repairs": Measure(Unit.COUNT, "lost or late work that the sweep restarted"),
    "RequestMilliseconds": Measure(Unit.MILLISECONDS, "one API request, inside its function"),
    "AuthenticationsFailed": Measure(
        Unit.COUNT, "requests whose token was unknown, revoked or expired; on the local stack also malformed"
    ),
    "Retries": Measure(
        Unit.COUNT, "invocations and requests that failed for now, because of infrastructure", by_function=True
    ),
    "Faults": Measure(Unit.COUNT, "invocations and requests that failed unexpectedly", by_function=True),
}


@dataclass(frozen=True)
class LogDetails:
    """What a log record carries beside its message, as its attribute `details`."""

    facts: Mapping[str, Any]
    measured: Mapping[str, float]


def log(
    happened: str,
    *,
    level: int = INFO,
    measured: Mapping[str, float] | None = None,
    error: BaseException | None = None,
    **facts: Any,
) -> None:
    """Logs one line. `measured` are values of MEASURES by name; `error` is logged with its traceback."""
    details = LogDetails({**_ids.get(), **facts}, measured or {})
    _logger.log(level, happened, exc_info=error, extra={"details": details})


@contextmanager
def log_context(**ids: Any) -> Iterator[None]:
    """Puts ids on every line that is logged inside. An id that is None is left out."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _ids.reset(token)


def request_id() -> str:
    """The id of the current invocation, which all its lines carry."""
    return str(_ids.get().get("request_id", "-"))


class Stopwatch:
    """Milliseconds by stage; a repeated stage adds to its time."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, measure: str) -> Iterator[None]:
        """Times what is done inside, also when it raises."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - began) * 1000
            self.milliseconds[measure] = round(self.milliseconds.get(measure, 0.0) + spent, 3)
