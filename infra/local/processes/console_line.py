"""A line of a log as the terminal shows it: short. The log file has all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CHARACTERS_MAX = 300


def console_line(name: str, line: str) -> str:
    """Returns the line of a program's log for the terminal. Of a JSON line: what happened and why."""
    text = f"{name}: {_sentence(_fields(line)) or line}"
    if len(text) <= CHARACTERS_MAX:
        return text
    end = f" … (in logs/{name}.log)"
    return text[: CHARACTERS_MAX - len(end)] + end


def _fields(line: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _sentence(fields: Mapping[str, Any]) -> str:
    """Level, message and reason; of an exception, the last line of its traceback."""
    if "message" not in fields:
        return ""
    cause = fields.get("reason") or str(fields.get("exception", "")).strip().rpartition("\n")[2]
    parts = (str(fields.get("level", "")).lower(), str(fields["message"]), str(cause))
    return ": ".join(part for part in parts if part)
