"""The format of log lines: one JSON object each, with measures in CloudWatch's embedded metric format.

CloudWatch extracts the metrics from the lines: this takes no API call, and every number can be traced to its line. The
specification is in CloudWatch's user guide, "Embedded metric format".
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Any

from chalicelib.limits import LOG_TEXT_CHARACTERS_MAX
from chalicelib.settings import settings, stage
from chalicelib.telemetry import MEASURES, LogDetails
from functions.redaction import redacted

NAMESPACE = "ProductImporter"
OURS = ("chalicelib", "functions")
"""The loggers that LOG_LEVEL applies to. Libraries log warnings only: at DEBUG they would log what they sign with."""


def configure() -> None:
    """Sets our format on the handlers that the runtime has created. If there are none, lines go to standard output."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stdout))
    for handler in root.handlers:
        # Lambda's handler adds no line end; others do.
        handler.setFormatter(JsonLines("" if isinstance(handler, logging.StreamHandler) else "\n"))


@cache
def set_level() -> None:
    """Applies LOG_LEVEL at the first invocation: while the application is being packaged, there are no settings yet."""
    for name in OURS:
        logging.getLogger(name).setLevel(settings().log_level)


class JsonLines(logging.Formatter):
    """Formats any record as one line of JSON. Secrets are hidden, long texts cut."""

    def __init__(self, end: str = "") -> None:
        super().__init__()
        self._line_end = end

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the line end that its handler needs."""
        details: LogDetails = getattr(record, "details", LogDetails({}, {}))
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "stage": stage(),
            **details.facts,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Cut twice: roughly before redaction, so that long foreign texts cost little; and after it to the final length,
        # which drops a secret that the first cut has halved.
        line = {name: _end(value, LOG_TEXT_CHARACTERS_MAX) for name, value in redacted(_rough(line)).items()}
        if details.measured:
            line |= details.measured
            line["_aws"] = _metadata(details.measured, int(record.created * 1000))
        # ASCII only: half of a surrogate pair could not be written otherwise.
        return json.dumps(line, default=str) + self._line_end


def _metadata(measured: Mapping[str, float], milliseconds: int) -> dict[str, Any]:
    """Which members of the line are metrics, and which are their dimensions."""
    return {"Timestamp": milliseconds, "CloudWatchMetrics": list(_directives(measured))}


def _directives(measured: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    def by_function(name: str) -> bool:
        return MEASURES[name].by_function

    for own, names in groupby(sorted(measured, key=by_function), by_function):
        yield {
            "Namespace": NAMESPACE,
            "Dimensions": [["stage", "function"] if own else ["stage"]],
            "Metrics": [{"Name": name, "Unit": MEASURES[name].unit} for name in names],
        }


def _rough(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _end(value, 2 * LOG_TEXT_CHARACTERS_MAX) for name, value in line.items()}


def _end(value: Any, characters: int) -> Any:
    """The end of a long text: there a traceback names its cause."""
    if isinstance(value, str) and len(value) > characters:
        return f"…{value[-characters:]}"
    return value
