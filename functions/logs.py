"""How log lines are written: one JSON object each, and measures in CloudWatch's embedded metric format inside.

CloudWatch takes the metrics out of the lines by itself: no call is made for them, and every number can be traced back
to the line that told it. The format's specification is in CloudWatch's user guide, "Embedded metric format".
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
from chalicelib.telemetry import MEASURES, Told
from functions.redaction import redacted

NAMESPACE = "ProductImporter"
OURS = ("chalicelib", "functions")
"""Loggers that LOG_LEVEL is for. Libraries tell of warnings only: at DEBUG they would tell what they sign with."""


def configure() -> None:
    """Gives the handlers that the runtime has made our format. Where there is none, lines go to standard output."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stdout))
    for handler in root.handlers:
        # Lambda's own handler writes what it is given; others end a line themselves.
        handler.setFormatter(JsonLines("" if isinstance(handler, logging.StreamHandler) else "\n"))


@cache
def set_level() -> None:
    """LOG_LEVEL, at the first invocation: while the application is packaged there is no setting yet."""
    for name in OURS:
        logging.getLogger(name).setLevel(settings().log_level)


class JsonLines(logging.Formatter):
    """A record as one line of JSON, whoever logged it. Secrets are hidden, long texts cut."""

    def __init__(self, end: str = "") -> None:
        super().__init__()
        self._line_end = end

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the end that its handler needs."""
        told: Told = getattr(record, "told", Told({}, {}))
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "stage": stage(),
            **told.facts,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # First roughly, so that strangers' texts cost little; again at the end, past what the first cut went through.
        line = {name: _end(value, LOG_TEXT_CHARACTERS_MAX) for name, value in redacted(_rough(line)).items()}
        if told.measured:
            line |= told.measured
            line["_aws"] = _metadata(told.measured, int(record.created * 1000))
        # ASCII alone: what is half a character could not be written otherwise.
        return json.dumps(line, default=str) + self._line_end


def _metadata(measured: Mapping[str, float], milliseconds: int) -> dict[str, Any]:
    """Which members of the line are metrics, and by which members they are told apart."""
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
    """The end of a long text, where a traceback has its cause."""
    if isinstance(value, str) and len(value) > characters:
        return f"…{value[-characters:]}"
    return value
