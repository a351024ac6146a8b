"""What the program tells of its work: a line for each thing that was done, with the ids it belongs to and its measures.

The domain says what happened; the edge decides how a line is written (functions/logs.py). Ids are bound once, by
whoever knows them first, and stand on every line that is told inside: so all lines of an import, a chunk or a request
can be found, whichever function wrote them.

What a transaction changed is told by `Transaction.tell`, after its commit: what is rolled back did not happen.
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
_ids: ContextVar[Mapping[str, Any]] = ContextVar("ids", default={})  # noqa: B039  # it is never changed, only replaced


class Unit(StrEnum):
    """Of a measure, as CloudWatch calls them."""

    COUNT = "Count"
    BYTES = "Bytes"
    MILLISECONDS = "Milliseconds"


@dataclass(frozen=True)
class Measure:
    """A number that is summed up, drawn and watched over time. `by_function`: each function has one of its own."""

    unit: Unit
    meaning: str
    by_function: bool = False


MEASURES: Mapping[str, Measure] = {
    "ImportsCompleted": Measure(Unit.COUNT, "imports that have ended well"),
    "ImportsFailed": Measure(Unit.COUNT, "imports that have ended early for a reason; an alarm watches it"),
    "RowsCreated": Measure(Unit.COUNT, "rows of files that made a product"),
    "RowsUpdated": Measure(Unit.COUNT, "rows of files that changed a product"),
    "RowsUnchanged": Measure(Unit.COUNT, "rows of files that said what was there already"),
    "RowsSuperseded": Measure(Unit.COUNT, "rows of files that lost to something newer"),
    "RowsRejected": Measure(Unit.COUNT, "rows of files that broke a rule"),
    "SplitBytes": Measure(Unit.BYTES, "bytes of files that were cut into chunks"),
    "SplitMilliseconds": Measure(Unit.MILLISECONDS, "one invocation's cutting, reading from S3 included"),
    "ChunkBytes": Measure(Unit.BYTES, "bytes of a chunk"),
    "ChunkReadMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: reading its bytes from S3"),
    "ChunkParseMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: judging its rows"),
    "ChunkCopyMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: COPY into the temporary table"),
    "ChunkWriteMilliseconds": Measure(Unit.MILLISECONDS, "a chunk: the transaction that writes products"),
    "EventsRelayed": Measure(Unit.COUNT, "events taken from the outbox"),
    "DeliveryMilliseconds": Measure(Unit.MILLISECONDS, "one attempt at a webhook, until its answer or the lack of one"),
    "DeliveriesFailed": Measure(Unit.COUNT, "attempts at webhooks that were not answered with success"),
    "RowsExported": Measure(Unit.COUNT, "products written into exports"),
    "ExportsFailed": Measure(Unit.COUNT, "exports that have ended early"),
    "ProductsDeleted": Measure(Unit.COUNT, "products taken away by bulk deletes"),
    "BulkDeletesFailed": Measure(Unit.COUNT, "bulk deletes that have ended early"),
    "Repairs": Measure(Unit.COUNT, "things that were lost or late, and that the sweep has set going again"),
    "RequestMilliseconds": Measure(Unit.MILLISECONDS, "one request to the API, inside its function"),
    "Retries": Measure(Unit.COUNT, "invocations given up because infrastructure let them down", by_function=True),
    "Faults": Measure(Unit.COUNT, "invocations and requests that ended with an error of ours", by_function=True),
}


@dataclass(frozen=True)
class Told:
    """What a log record carries beside its message, as its attribute `told`."""

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
    """One line. `measured` are values of MEASURES by their names; `error` is told with its traceback."""
    told = Told({**_ids.get(), **facts}, measured or {})
    _logger.log(level, happened, exc_info=error, extra={"told": told})


tell = log


@contextmanager
def about(**ids: Any) -> Iterator[None]:
    """Puts ids on every line that is told inside. One that is None says nothing."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _ids.reset(token)


def request_id() -> str:
    """The id of the current invocation, by which all its lines can be found."""
    return str(_ids.get().get("request_id", "-"))


class Stopwatch:
    """Milliseconds by stage; a stage that is passed again adds to its time."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, measure: str) -> Iterator[None]:
        """Takes the time of what is done inside, also when it raises."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - began) * 1000
            self.milliseconds[measure] = round(self.milliseconds.get(measure, 0.0) + spent, 3)
