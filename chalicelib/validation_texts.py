"""What is wrong with a value, in our own words instead of pydantic's: for the API, commands and settings alike.

Each text is a sentence that makes sense beside the name of its field. A validator of our own raises a ValueError and
words it itself. `tests/integration/test_error_texts.py` breaks every field in every way and reads these texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

NAME_CHARACTERS_SHOWN_MAX = 64
"""How much of a name that the caller has chosen a text repeats."""
NOT_VALID = "This value isn't valid."
"""For a type of error without a text. The test finds a model that can cause one."""
_OBJECT = "Must be an object."
_TIME = "Must be a date and time with a time zone, such as 2026-11-24T09:30:00Z."
_WHOLE_NUMBER = "Must be a whole number."
_KEY = "[key]"
"""Pydantic ends the path to an error with this if the key of an object is wrong, not its value."""
_QUOTED = re.compile(r"'([^']+)'")

Text = str | Callable[[dict[str, Any]], str]
"""A sentence, or one that depends on the error's context: its limits and expected values."""


def explained(error: ValidationError) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields the path to each wrong field, and what is wrong with it."""
    for each in error.errors(include_url=False):
        path = tuple(str(part) for part in each["loc"])
        yield path[:-1] if path[-1:] == (_KEY,) else path, _text(each)


def sentence(text: str) -> str:
    """Returns the text with a capital letter, and with a full stop unless it has one."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def quoted(name: str) -> str:
    """Returns a name that the caller has chosen, in quotation marks and no longer than a text should be."""
    return f"“{name[:NAME_CHARACTERS_SHOWN_MAX]}{'…' if len(name) > NAME_CHARACTERS_SHOWN_MAX else ''}”"


def _text(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"Unknown field {quoted(str(error['loc'][-1]))}. Remove it."
    text = _TEXTS.get(kind, NOT_VALID)
    said = text if isinstance(text, str) else text(error.get("ctx", {}))
    # To pydantic, null is one of many values of the wrong type.
    return said.replace(".", ", not null.") if kind.endswith("_type") and error["input"] is None else said


def _too_short(context: dict[str, Any]) -> str:
    least = context["min_length"]
    return "This field can't be empty." if least == 1 else f"Too short: use at least {least:,} characters."


def _too_few(context: dict[str, Any]) -> str:
    least = context["min_length"]
    return "Choose at least one." if least == 1 else f"Choose at least {least:,}."


def _one_of(expected: str) -> str:
    """Pydantic's list of values. The empty one is left out: an empty parameter counts as absent."""
    *others, last = [f"“{name}”" for name in _QUOTED.findall(expected)]
    return f"Must be {', '.join(others)} or {last}." if others else f"Must be {last}."


_TEXTS: dict[str, Text] = {
    "bool_parsing": "Must be true or false.",
    "bool_type": "Must be true or false.",
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_parsing": _TIME,
    "dict_type": _OBJECT,
    "greater_than_equal": lambda context: f"Must be at least {context['ge']:,}.",
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    # The body has been parsed before, by a parser that accepts deeper nesting.
    "json_invalid": "The JSON is nested too deeply.",
    "less_than_equal": lambda context: f"Must be at most {context['le']:,}.",
    "list_type": "Must be a list.",
    "literal_error": lambda context: _one_of(context["expected"]),
    "missing": "This field is required.",
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    # Only settings say so: to the API's callers, an expression explains nothing, so its fields are `Matching`.
    "string_pattern_mismatch": lambda context: f"Must match {context['pattern']}.",
    "string_too_long": lambda context: f"Too long: use at most {context['max_length']:,} characters.",
    "string_too_short": _too_short,
    "string_type": "Must be a string.",
    "timezone_aware": _TIME,
    "too_long": lambda context: f"Too many: use at most {context['max_length']:,}.",
    "too_short": _too_few,
    "union_tag_invalid": lambda context: f"{context['discriminator']}: {_one_of(context['expected_tags'])}",
    "union_tag_not_found": lambda context: f"{context['discriminator']}: This field is required.",
    "uuid_parsing": "Must be a UUID, such as 019a2b3c-0000-7000-8000-000000000000.",
    "value_error": lambda context: sentence(str(context["error"])),
}
