"""Requests taken strictly: JSON in which nothing is ambiguous, parameters that a route has declared, nothing else.

What pydantic would let pass, or PostgreSQL could not store, is refused here once for every route: a key that stands
twice, NaN and numbers beyond a double, NUL characters, halves of surrogate pairs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from chalice.app import Request
from pydantic import BaseModel, ValidationError

from chalicelib.errors import FieldError, Invalid, Rejected
from chalicelib.limits import BODY_BYTES_MAX

JSON_TYPE = "application/json"
Model = TypeVar("Model", bound=BaseModel)
_OUR_OWN = "Value error, "
"""What pydantic puts before the messages of validators that are not its own."""


def whole_number(value: object) -> object:
    """For `BeforeValidator`, after the bounds of an int: JSON knows no integers, and JSON Schema takes 5.0 for one."""
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
        raise UnsupportedMediaType(f"send the body as {JSON_TYPE}, not {media_type or 'without a Content-Type'}")
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedMediaType(f"send the body as it is, without the Content-Encoding {coding}")
    raw = raw_body(request)
    _refuse_ambiguous(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid("the body is not valid", errors=_field_errors(error, "/")) from None


def raw_body(request: Request) -> bytes:
    """The body's bytes. Raises TooLarge."""
    raw = cast(bytes, request.raw_body)
    if len(raw) > BODY_BYTES_MAX:
        raise TooLarge(f"the body has more than {BODY_BYTES_MAX} bytes")
    return raw


def read_parameters(request: Request, model: type[Model]) -> Model:
    """The query parameters, validated: each once at the most, and none that the model does not have. Raises Invalid."""
    given = _given(request)
    errors = [FieldError(name, "give it once") for name, values in given.items() if len(values) > 1]
    errors += [FieldError(name, "is not a parameter of this route") for name in given if name not in model.model_fields]
    errors += [FieldError(name, message) for name, values in given.items() for _, message in _unstorable([*values], "")]
    if errors:
        raise Invalid("the parameters are not valid", errors=tuple(errors))
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise Invalid("the parameters are not valid", errors=_field_errors(error, "")) from None


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
            parse_constant=_finite,
        )
        errors = tuple(FieldError(pointer or "/", message) for pointer, message in _unstorable(content, ""))
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as error:  # Covers text that is not UTF-8.
        raise _malformed(str(error)) from None
    if errors:
        raise Invalid("the body is not valid", errors=errors)


def _malformed(reason: str) -> Invalid:
    return Invalid("the body is not valid JSON", errors=(FieldError("/", reason),))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a number that JSON readers agree on")
    return value


def _unstorable(content: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Strings that no text column can hold, with where they are. Raises RecursionError."""
    if isinstance(content, str):
        if "\0" in content:
            yield pointer, "contains a NUL character"
        elif not content.isascii() and any("\ud800" <= character <= "\udfff" for character in content):
            yield pointer, "contains half of a surrogate pair"
    elif isinstance(content, list):
        for number, each in enumerate(content):
            yield from _unstorable(each, f"{pointer}/{number}")
    elif isinstance(content, dict):
        for key, each in content.items():
            yield from ((pointer, f"a key {message}") for _, message in _unstorable(key, pointer))
            yield from _unstorable(each, f"{pointer}/{_escaped(key)}")


def _field_errors(error: ValidationError, root: str) -> tuple[FieldError, ...]:
    return tuple(
        FieldError(root + "/".join(_escaped(str(part)) for part in each["loc"]), each["msg"].removeprefix(_OUR_OWN))
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _escaped(key: str) -> str:
    """One step of a JSON pointer (RFC 6901), in characters that an answer can carry."""
    return key.replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()
