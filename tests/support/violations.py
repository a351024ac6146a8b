"""Every way to break a JSON document, derived from its JSON Schema: each field with each kind of violation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]
UNKNOWN = "never_heard_of"
ODD_TEXTS = ["", " ", "a b", "a\nb", "a\x7f", "ü", "a:b", "-", "x" * 5_000]
"""At least one of these matches no pattern that a field has."""
HUGE = "x" * 100_000
"""Longer than any text may be, also where only the description of the field states a limit."""


class Violation(NamedTuple):
    """A value that must be refused. `pointer` is the field to blame, `limit` what the text must contain."""

    kind: str
    pointer: str
    value: Any
    limit: str = ""


class _Removed:
    def __repr__(self) -> str:
        return "removed"


REMOVED = _Removed()
"""The value of a field that is left out."""


def violations(schema: Json, schemas: Json) -> Iterator[tuple[str, Violation]]:
    """Yields every violation of an object, with the name of the field that has the broken value."""
    resolved = _resolved(schema, schemas)
    for name, field in resolved["properties"].items():
        if name in resolved.get("required", []):
            yield name, Violation("missing", f"/{name}", REMOVED)
        for each in _of_value(_resolved(field, schemas), f"/{name}"):
            yield name, each
    yield UNKNOWN, Violation("unknown field", f"/{UNKNOWN}", 1, f"“{UNKNOWN}”")


def _resolved(schema: Json, schemas: Json) -> Json:
    """The schema without references. An alternative to null becomes a schema of its own with two types."""
    if "$ref" in schema:
        return _resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    alternatives = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if not alternatives:
        return schema
    (only,) = alternatives
    return {**_resolved(only, schemas), "nullable": True}


def _of_value(schema: Json, pointer: str) -> Iterator[Violation]:
    if not schema.get("nullable"):
        yield Violation("null", pointer, None)
    kinds = {
        "string": _of_text,
        "integer": _of_number,
        "boolean": _of_boolean,
        "array": _of_list,
        "object": _of_object,
    }
    yield from kinds[schema["type"]](schema, pointer)


def _of_boolean(_: Json, pointer: str) -> Iterator[Violation]:
    wrong: Any
    for wrong in ("true", 1, [], {}):
        yield Violation("wrong type", pointer, wrong)


def _of_text(schema: Json, pointer: str) -> Iterator[Violation]:
    wrong: Any
    for wrong in (5, True, [], {}):
        yield Violation("wrong type", pointer, wrong)
    yield Violation("NUL", pointer, "a\0b", "NUL")
    yield Violation("half a surrogate pair", pointer, "a\ud800b", "surrogate")
    if "enum" in schema or "const" in schema:
        for expected in schema.get("enum", [schema.get("const")]):
            yield Violation("enum", pointer, "never heard of", str(expected))
    elif schema.get("format") == "date-time":
        for wrong_time in ("", "yesterday", "2026-11-24", "2026-11-24T09:30:00", "2026-13-24T09:30:00Z"):
            yield Violation("format", pointer, wrong_time, "time zone")
    else:
        yield from _of_free_text(schema, pointer)


def _of_free_text(schema: Json, pointer: str) -> Iterator[Violation]:
    yield Violation("too long", pointer, HUGE, f"{schema['maxLength']:,}" if "maxLength" in schema else "maximum")
    if "maxLength" in schema:
        limit = schema["maxLength"]
        yield Violation("one too long", pointer, "x" * (limit + 1), f"{limit:,}")
    if schema.get("minLength"):
        yield Violation("too short", pointer, "", "empty")
    if "pattern" in schema:
        for odd in ODD_TEXTS:
            if not re.fullmatch(schema["pattern"], odd) and len(odd) >= schema.get("minLength", 0):
                yield Violation("pattern", pointer, odd)


def _of_number(schema: Json, pointer: str) -> Iterator[Violation]:
    wrong: Any
    for wrong in ("5", 1.5, True, [], {}):
        yield Violation("wrong type", pointer, wrong)
    for wrong in (10**400, -(10**400), 10**300):
        yield Violation("enormous", pointer if abs(wrong) < 10**309 else "/", wrong)
    yield Violation("minimum", pointer, schema["minimum"] - 1, f"{schema['minimum']:,}")
    yield Violation("maximum", pointer, schema["maximum"] + 1, f"{schema['maximum']:,}")


def _of_list(schema: Json, pointer: str) -> Iterator[Violation]:
    wrong: Any
    for wrong in ("text", 5, {}):
        yield Violation("wrong type", pointer, wrong)
    values = schema["items"]["enum"]
    yield Violation("too short", pointer, [], "at least one")
    yield Violation("too many", pointer, (values * 2)[: schema["maxItems"] + 1], f"{schema['maxItems']:,}")
    yield Violation("duplicate", pointer, values[:1] * 2, "twice")
    yield Violation("unknown item", pointer, ["never heard of"], values[1])
    yield Violation("wrong type of item", f"{pointer}/0", [5])


def _of_object(schema: Json, pointer: str) -> Iterator[Violation]:
    wrong: Any
    for wrong in ("text", 5, []):
        yield Violation("wrong type", pointer, wrong)
    ((pattern, of_values),) = schema["patternProperties"].items()
    limit = schema["maxProperties"]
    yield Violation("too many", pointer, {f"X-{number}": "x" for number in range(limit + 1)}, f"{limit:,}")
    for odd in ODD_TEXTS:
        if not re.fullmatch(pattern, odd):
            yield Violation("name", f"{pointer}/{odd}", {odd: "x"})
    values = {"nullable": True, **of_values} if "anyOf" in of_values else of_values
    for each in _of_value(_resolved(values, {}), f"{pointer}/X-Shop"):
        yield each._replace(value={"X-Shop": each.value})
