"""Strict parsing of requests: only unambiguous JSON, and only parameters that the route declares.

What pydantic would accept but PostgreSQL could not store, or two parsers could understand differently, is refused here
for every route: duplicate keys, NaN and numbers beyond a double, NUL characters, halves of surrogate pairs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar, cast

from chalice.app import Request
from pydantic import BaseModel, ValidationError

from chalicelib.errors import FieldError, Invalid, Rejected
from chalicelib.limits import BODY_BYTES_MAX
from chalicelib.validation_texts import NAME_CHARACTERS_SHOWN_MAX, explained, quoted

JSON_TYPE = "application/json"
Model = TypeVar("Model", bound=BaseModel)
_ERRORS_IN_DETAIL_MAX = 3
"""How many errors the detail of a problem repeats, for clients that show nothing else."""
_DIGITS_SHOWN_MAX = 20


def json_integer(value: object) -> object:
    """For `BeforeValidator`, after the bounds of an int: to JSON Schema, 5.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class UnsupportedMediaType(Rejected):
    """The body is not JSON."""

    status = 415
    code = "unsupported_media_type"


class TooLarge(Rejected):
    """The body is too large."""

    status = 413
    code = "body_too_large"


def read_body(request: Request, model: type[Model]) -> Model:
    """The JSON body, validated. Raises Invalid with a pointer to each field, UnsupportedMediaType, TooLarge."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != JSON_TYPE:
        raise UnsupportedMediaType(f"send the body as {JSON_TYPE}; this request has {media_type or 'no Content-Type'}")
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedMediaType(f"send the body uncompressed; this request has the Content-Encoding {coding}")
    raw = raw_body(request)
    _refuse_ambiguous(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid("request body", _field_errors(error, "/")) from None


def raw_body(request: Request) -> bytes:
    """The body's bytes. Raises TooLarge."""
    raw = cast(bytes, request.raw_body)
    if len(raw) > BODY_BYTES_MAX:
        raise TooLarge(f"the request body has {len(raw):,} bytes; the maximum is {BODY_BYTES_MAX:,}")
    return raw


def read_parameters(request: Request, model: type[Model]) -> Model:
    """The query parameters, validated. Raises Invalid for repeated parameters and for those not in the model, too."""
    given = _given(request)
    errors = [FieldError(name, "Sent more than once.") for name, values in given.items() if len(values) > 1]
    unknown = [name for name in given if name not in model.model_fields]
    errors += [FieldError(name, f"Unknown parameter {quoted(name)}. Remove it.") for name in unknown]
    errors += [FieldError(name, message) for name, values in given.items() for _, message in _unstorable([*values], "")]
    if errors:
        raise _invalid("query", errors)
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise _invalid("query", _field_errors(error, "")) from None


def _given(request: Request) -> dict[str, list[str]]:
    parameters = request.query_params
    return {str(name): parameters.getlist(name) for name in parameters} if parameters is not None else {}


def _refuse_ambiguous(raw: bytes) -> None:
    try:
        content = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_finite,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        errors = [FieldError(pointer or "/", message) for pointer, message in _unstorable(content, "")]
    except RecursionError:
        raise _malformed("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"The JSON has a syntax error in line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: see the byte at offset {error.start:,}.") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if errors:
        raise _invalid("request body", errors)


def _malformed(reason: str) -> Invalid:
    return Invalid(f"the request body is not valid JSON. {reason}", errors=(FieldError("/", reason),))


def _invalid(part: str, errors: Sequence[FieldError]) -> Invalid:
    """The error for a part of the request. Its message repeats the first of the field errors."""
    counted = "an error" if len(errors) == 1 else f"{len(errors):,} errors"
    shown = " ".join(map(_with_name, errors[:_ERRORS_IN_DETAIL_MAX]))
    return Invalid(f"the {part} has {counted}. {shown}", errors=tuple(errors))


def _with_name(error: FieldError) -> str:
    name = error.pointer.removeprefix("/")[:NAME_CHARACTERS_SHOWN_MAX]
    return f"{name}: {error.message}" if name else error.message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("An object has the same key twice.")
    return content


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"The number {text[:_DIGITS_SHOWN_MAX]}… is too large.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no number {name}.")


def _unstorable(content: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Pointers to strings that no text column can hold, and why. Raises RecursionError."""
    if isinstance(content, str):
        if "\0" in content:
            yield pointer, "Contains a NUL character. Remove it."
        elif not content.isascii() and any("\ud800" <= character <= "\udfff" for character in content):
            yield pointer, "Contains half of a surrogate pair. Remove it."
    elif isinstance(content, list):
        for number, each in enumerate(content):
            yield from _unstorable(each, f"{pointer}/{number}")
    elif isinstance(content, dict):
        for key, each in content.items():
            yield from ((pointer, f"The name of a field: {message}") for _, message in _unstorable(key, pointer))
            yield from _unstorable(each, f"{pointer}/{_escaped(key)}")


def _field_errors(error: ValidationError, root: str) -> tuple[FieldError, ...]:
    return tuple(FieldError(root + "/".join(map(_escaped, path)), text) for path, text in explained(error))


def _escaped(key: str) -> str:
    """One step of a JSON pointer (RFC 6901), in characters that UTF-8 can encode."""
    return key.replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()
