"""Strict parsing of requests: only unambiguous JSON, and only parameters that the route declares.

What pydantic would accept but PostgreSQL could not store, or two parsers could understand differently, is refused here
for every route: duplicate keys, NaN and numbers beyond a double, NUL characters, halves of surrogate pairs. A body with
very many values is refused too, because parsing it takes a hundred times its memory.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

from chalice.app import Request
from pydantic import BaseModel, ValidationError

from chalicelib.errors import FieldError, Invalid, Rejected
from chalicelib.limits import BODY_BYTES_MAX, BODY_VALUES_MAX, POINTER_CHARACTERS_MAX, PROBLEM_ERRORS_MAX
from chalicelib.validation_texts import NAME_CHARACTERS_SHOWN_MAX, explained, quoted

JSON_TYPE = "application/json"
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\"';\s]*)")
"""A parameter of a media type, also where it is badly written: such a request is refused rather than misread."""
_SEPARATORS = (b",", b"[", b"{")
"""Every value of a JSON document but the first follows one of these."""
_OTHER_BYTES = bytes(set(range(256)) - set(b'"' + b"".join(_SEPARATORS)))
Model = TypeVar("Model", bound=BaseModel)
Path = Sequence[str | int]
"""The keys and indexes that lead to a value in the content of a request."""
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
    _refuse_other_types(request)
    raw = raw_body(request)
    _refuse_many_values(raw)
    _refuse_ambiguous(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _Errors("request body", _pointer).adding(error).as_invalid() from None


def _refuse_other_types(request: Request) -> None:
    """Refuses bodies that another program would read differently. Raises UnsupportedMediaType."""
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if media_type.strip() != JSON_TYPE:
        shown = media_type.strip()[:NAME_CHARACTERS_SHOWN_MAX] or "no Content-Type"
        raise UnsupportedMediaType(f"send the body as {JSON_TYPE}; this request has {shown}")
    for charset in _CHARSET.findall(parameters):
        if charset != "utf-8":
            shown = charset[:NAME_CHARACTERS_SHOWN_MAX] or "none"
            raise UnsupportedMediaType(f"send the body as UTF-8; this request has the charset {shown}")
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        shown = coding[:NAME_CHARACTERS_SHOWN_MAX]
        raise UnsupportedMediaType(f"send the body uncompressed; this request has the Content-Encoding {shown}")


def raw_body(request: Request) -> bytes:
    """The body's bytes. Raises TooLarge."""
    raw = cast(bytes, request.raw_body)
    if len(raw) > BODY_BYTES_MAX:
        raise TooLarge(f"the request body has {len(raw):,} bytes; the maximum is {BODY_BYTES_MAX:,}")
    return raw


def read_parameters(request: Request, model: type[Model]) -> Model:
    """The query parameters, validated. Raises Invalid for repeated parameters and for those not in the model, too."""
    given = _given(request)
    errors = _Errors("query", _parameter)
    for name, values in given.items():
        if len(values) > 1:
            errors.add([name], "Sent more than once.")
    for name in given:
        if name not in model.model_fields:
            errors.add([name], f"Unknown parameter {quoted(name)}. Remove it.")
    for name, values in given.items():
        for reason in filter(None, map(_why_unstorable, values)):
            errors.add([name], reason)
    if errors.count:
        raise errors.as_invalid()
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise _Errors("query", _parameter).adding(error).as_invalid() from None


def _given(request: Request) -> dict[str, list[str]]:
    parameters = request.query_params
    return {str(name): parameters.getlist(name) for name in parameters} if parameters is not None else {}


def _refuse_many_values(raw: bytes) -> None:
    """Refuses a body that would take a hundred times its memory, before it is parsed. Raises Invalid."""
    if sum(map(raw.count, _SEPARATORS)) < BODY_VALUES_MAX:  # Nearly always, so that nothing is copied.
        return
    without_escapes = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_and_inside_strings = without_escapes.translate(None, _OTHER_BYTES).split(b'"')
    if sum(map(len, outside_and_inside_strings[::2])) >= BODY_VALUES_MAX:
        reason = f"Has more than {BODY_VALUES_MAX:,} values. No request needs more than a hundred."
        raise Invalid(f"the request body has an error. {reason}", errors=(FieldError("/", reason),))


def _refuse_ambiguous(raw: bytes) -> None:
    errors = _Errors("request body", _pointer)
    try:
        content = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_finite,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        _note_unstorable(content, [], errors)
    except RecursionError:
        raise _malformed("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"The JSON has a syntax error in line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: see the byte at offset {error.start:,}.") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if errors.count:
        raise errors.as_invalid()


def _malformed(reason: str) -> Invalid:
    return Invalid(f"the request body is not valid JSON. {reason}", errors=(FieldError("/", reason),))


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


class _Errors:
    """What is wrong with a part of a request: all errors are counted, and only the first ones are kept.

    A pointer is written only for those. A long key repeated for each error inside it would make the answer, and the
    time and memory for it, grow with the square of the body.
    """

    def __init__(self, part: str, pointer: Callable[[Path], str]) -> None:
        """`pointer` writes a path within this part."""
        self.count = 0
        self._part = part
        self._pointer = pointer
        self._kept: list[FieldError] = []

    def add(self, path: Path, message: str) -> None:
        """Adds the error at a path, which may change later."""
        self.count += 1
        if len(self._kept) < PROBLEM_ERRORS_MAX:
            self._kept.append(FieldError(_beginning(self._pointer(path)), message))

    def adding(self, error: ValidationError) -> _Errors:
        """Adds the errors of a model. Returns itself."""
        for path, message in explained(error):
            self.add(path, message)
        return self

    def as_invalid(self) -> Invalid:
        """The error for this part of the request. Its message repeats the first of the field errors."""
        counted = "an error" if self.count == 1 else f"{self.count:,} errors"
        if self.count > len(self._kept):
            counted += f", of which the first {len(self._kept)} are listed"
        shown = " ".join(map(_with_name, self._kept[:_ERRORS_IN_DETAIL_MAX]))
        return Invalid(f"the {self._part} has {counted}. {shown}", errors=tuple(self._kept))


def _note_unstorable(content: Any, path: list[str | int], errors: _Errors) -> None:
    """Adds an error for each string that no text column can hold. Leaves `path` as it was. Raises RecursionError."""
    if isinstance(content, str):
        if reason := _why_unstorable(content):
            errors.add(path, reason)
    elif isinstance(content, (list, dict)):
        for step, each in content.items() if isinstance(content, dict) else enumerate(content):
            if isinstance(step, str) and (reason := _why_unstorable(step)):
                errors.add(path, f"The name of a field: {reason}")
            path.append(step)
            _note_unstorable(each, path, errors)
            path.pop()


def _why_unstorable(text: str) -> str | None:
    if "\0" in text:
        return "Contains a NUL character. Remove it."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "Contains half of a surrogate pair. Remove it."
    return None


def _parameter(path: Path) -> str:
    return str(path[0]) if path else ""


def _pointer(path: Path) -> str:
    return "/" + "/".join(map(_escaped, path))


def _beginning(pointer: str) -> str:
    return pointer if len(pointer) <= POINTER_CHARACTERS_MAX else f"{pointer[:POINTER_CHARACTERS_MAX]}…"


def _escaped(step: str | int) -> str:
    """One step of a JSON pointer (RFC 6901), or its beginning, in characters that UTF-8 can encode."""
    shown = str(step)[: POINTER_CHARACTERS_MAX + 1]
    return shown.replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()
