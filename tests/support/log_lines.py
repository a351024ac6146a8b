"""Catches what functions log in this process, as the lines that a deployment would write."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from functions.logs import JsonLines

Line = dict[str, Any]

UNITS = {"Count", "Bytes", "Milliseconds", "Percent"}
"""The units of CloudWatch that we use."""
NAME_CHARACTERS_MAX = 1024
METRICS_MAX = 100
EMBEDDED_METRICS = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 1_500_000_000_000},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": METRICS_MAX,
                                "items": {
                                    "type": "object",
                                    "required": ["Name", "Unit"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX},
                                        "Unit": {"enum": sorted(UNITS)},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What the embedded metric format requires of a line, from its specification in CloudWatch's user guide."""


class _Catcher(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@contextmanager
def caught(logger: str = "chalicelib", level: int = logging.INFO) -> Iterator[list[Line]]:
    """The lines that are logged inside; the list grows."""
    catcher, target = _Catcher(), logging.getLogger(logger)
    before = target.level
    target.addHandler(catcher)
    target.setLevel(level)
    try:
        yield catcher.lines
    finally:
        target.removeHandler(catcher)
        target.setLevel(before)


def with_message(lines: Sequence[Line], message: str) -> list[Line]:
    """The lines that have a message."""
    return [line for line in lines if line["message"] == message]


def metrics(line: Line) -> dict[str, tuple[float, str, tuple[str, ...]]]:
    """What CloudWatch extracts from a line: each metric's value, unit and dimensions."""
    return {
        each["Name"]: (line[each["Name"]], each["Unit"], tuple(line[name] for name in directive["Dimensions"][0]))
        for directive in line["_aws"]["CloudWatchMetrics"]
        for each in directive["Metrics"]
    }
