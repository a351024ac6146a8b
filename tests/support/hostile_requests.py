"""Requests that are meant to cost a server much more than they cost their sender, for any route, in any size."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from functions.api.endpoints import Endpoint

JSON = {"Content_Type": "application/json"}
NUL = r'"\u0000"'
SHARE = 32
"""Paths, queries and headers get this fraction of the size: 32 KiB. API Gateway accepts 10 KiB of them."""

CURSOR_BYTES = 1_000
"""So that they pass the limit on a cursor's length."""


@dataclass(frozen=True)
class HostileRequest:
    """One request. `kind` says what is hostile about it."""

    kind: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def repeated(unit: str, start: str = "", end: str = "") -> Callable[[int], bytes]:
    """Makes a body that repeats a text until it has a size."""

    def make(size: int) -> bytes:
        count = (size - len(start.encode()) - len(end.encode())) // len(unit.encode())
        return f"{start}{(unit * count)[: -1 if end else None]}{end}".encode()

    return make


def numbered(unit: str, start: str, end: str) -> Callable[[int], bytes]:
    """Makes a body of an object whose keys all differ."""

    def make(size: int) -> bytes:
        count = (size - len(start) - len(end)) // len(f"{unit % 10**6},")
        return (start + ",".join(unit % (10**6 + number) for number in range(count)) + end).encode()

    return make


def errors_inside_a_key(key_characters: int, errors: int) -> Callable[[int], bytes]:
    """Makes a body of one size: if each error repeated the key, the response would grow with the square of the body."""
    return lambda _: f'{{"{"a" * key_characters}":[{",".join([NUL] * errors)}]}}'.encode()


BODIES: dict[str, Callable[[int], bytes]] = {
    "500 errors inside a long key": errors_inside_a_key(20_000, 500),
    "1,000 errors inside a longer key": errors_inside_a_key(40_000, 1_000),
    "5,000 errors inside a very long key": errors_inside_a_key(500_000, 5_000),
    "9,990 errors inside the longest key": errors_inside_a_key(950_000, 9_990),
    "58,000 errors inside a very long key": errors_inside_a_key(500_000, 58_000),
    "many unknown fields": numbered('"%d":1', "{", "}"),
    "unknown fields with long names": numbered('"%d' + "x" * 150 + '":1', "{", "}"),
    "very long names": numbered('"%d' + "x" * 5_000 + '":1', "{", "}"),
    "names that cannot be stored": numbered('"%d\\u0000' + "x" * 150 + '":1', "{", "}"),
    "the same key again and again": repeated('"a":1,', "{", "}"),
    "one very long name": lambda size: b'{"' + b"x" * (size - 6) + b'":1}',
    "one very long text": lambda size: b'"' + b"x" * (size - 2) + b'"',
    "NUL characters": repeated('"\\u0000",', "[", "]"),
    "halves of surrogate pairs": repeated('"\\ud800",', "[", "]"),
    "long texts with halves of surrogate pairs": repeated('"' + "x" * 150 + '\\udfff",', "[", "]"),
    "empty lists": repeated("[],", "[", "]"),
    "empty objects": repeated("{},", "[", "]"),
    "small objects": repeated('{"a":0},', "[", "]"),
    "small numbers": repeated("0,", "[", "]"),
    "small texts": repeated('"",', "[", "]"),
    "long numbers": repeated("9" * 300 + ",", "[", "]"),
    "one very long number": repeated("9"),
    "one very long fraction": lambda size: b"0." + b"9" * (size - 2),
    "one very long exponent": lambda size: b"1e" + b"0" * (size - 2),
    "lists in lists": repeated("["),
    "objects in objects": repeated('{"a":'),
    "nested to just below the limit": lambda size: repeated("[" * 900 + "0" + "]" * 900 + ",", "[", "]")(size),
    "deep texts that cannot be stored": lambda size: (
        b"[" * 900 + b'"\\u0000' + b"x" * (size - 1810) + b'"' + b"]" * 900
    ),
    "backslashes": repeated("\\", '{"a":"'),
    "escaped quotes": repeated('\\"', '{"a":"', ' "}'),
    "quotes": repeated('"'),
    "texts without an end": repeated('"\\",'),
    "commas in a text": repeated(",", '{"a":"', ' "}'),
    "white space": repeated(" \t\r\n"),
    "bytes that are not UTF-8": lambda size: b"\xff" * size,
    "UTF-16": lambda size: ('{"a":"' + "x" * (size // 2 - 9) + '"}').encode("utf-16"),
    "NUL bytes": lambda size: b"\0" * size,
}
FIELDS: dict[str, Callable[[int], str]] = {
    "a long text": lambda size: '"' + "x" * (size - 2) + '"',
    "a text of control characters": lambda size: '"' + "\\u0001" * ((size - 2) // 6) + '"',
    "a text of dots": lambda size: '"https://' + "a." * ((size - 10) // 2) + '"',
    "a text of brackets": lambda size: '"http://[' + ":" * (size - 10) + '"',
    "a text of digits": lambda size: '"' + "1" * (size - 2) + '"',
    "a long list": lambda size: repeated('"x",', "[", "]")(min(size, 30_000)).decode(),
    "a list of long texts": lambda size: repeated('"' + "x" * 200 + '",', "[", "]")(size).decode(),
    "an object": lambda size: numbered('"%d' + "h" * 150 + '":"v"', "{", "}")(size).decode(),
    "a long number": lambda size: "9" * size,
}
TEXTS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "x" * size,
    "digits": lambda size: "9" * size,
    "white space": lambda size: " \t" * (size // 2),
    "quotes": lambda size: '"' * size,
    "tags": lambda size: 'W/"a" ,\t' * (size // 8),
    "tags without commas": lambda size: '"a" ' * (size // 4) + "!",
    "a tag without an end": lambda size: 'W/"' + "a" * size,
    "commas": lambda size: "," * size,
    "parameters": lambda size: f"application/json{'; charset ' * (size // 10)}",
    "other characters": lambda size: "\xff" * size,
}
IGNORED_OR_CONDITIONS = ("Accept", "Cookie", "If_Match", "If_None_Match", "X_Forwarded_For", "X_HTTP_Method_Override")
"""Headers that do not end a request early, so that one request may have all of them."""
QUERIES: dict[str, Callable[[int], str]] = {
    "unknown parameters": lambda size: "&".join(f"p{number}=1" for number in range(size // 8)),
    "parameters with long names": lambda size: "&".join(f"p{number}{'x' * 300}=1" for number in range(size // 310)),
    "one parameter again and again": lambda size: "&".join(["limit=1"] * (size // 8)),
    "nothing but separators": lambda size: "&=" * (size // 2),
    "NUL characters": lambda size: "sku=" + "%00" * (size // 3),
    "bytes that are not UTF-8": lambda size: "sku=" + "%ff" * (size // 3),
    "percent signs": lambda size: "sku=" + "%" * size,
}
IDS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "x" * size,
    "digits": lambda size: "9" * size,
    "escapes": lambda size: "%F0%9F%94%A8" * (size // 12),
}
CURSORS: dict[str, Callable[[int], bytes]] = {
    "lists in lists": lambda size: b"[" * size,
    "a long key": lambda size: b'{"after":"' + b"x" * size + b'"}',
    "a long number": lambda size: b'{"after":' + b"9" * size + b"}",
    "many keys": lambda size: b'{"after":"a"' + b',"x":1' * (size // 6) + b"}",
    "an object": lambda size: b'{"after":{"a":"' + b"x" * size + b'"}}',
    "a sort": lambda size: b'{"sort":' + b"[" * (size // 2) + b"]" * (size // 2) + b',"after":"a"}',
    "text that cannot be stored": lambda size: b'{"after":"' + b"\\ud800\\u0000" * (size // 12) + b'"}',
    "bytes that are not UTF-8": lambda size: b"\xff" * size,
}


def hostile_requests(
    endpoint: Endpoint, path: str, example: dict[str, Any] | None, size: int
) -> Iterator[HostileRequest]:
    """Everything that is sent to a route in this size. `path` leads to an existing thing."""
    body = b"" if example is None else json.dumps(example).encode()
    if example is not None:
        yield from _bodies(path, example, size)
    for names in _headers(endpoint):
        for kind, text in TEXTS.items():
            headers = {**JSON, **dict.fromkeys(names, text(size // SHARE))}
            yield HostileRequest(f"{names[0]}: {kind}", path, body, headers)
    for kind, query in _queries(endpoint, size // SHARE):
        yield HostileRequest(f"query: {kind}", f"{path}?{query}", body, JSON)
    if "{" in endpoint.path:
        for kind, text in IDS.items():
            parts = zip(endpoint.path.split("/"), path.split("/"), strict=True)
            other = "/".join(text(size // SHARE) if part.startswith("{") else known for part, known in parts)
            yield HostileRequest(f"id: {kind}", other, body, JSON)


def _bodies(path: str, example: dict[str, Any], size: int) -> Iterator[HostileRequest]:
    for kind, make in BODIES.items():
        yield HostileRequest(kind, path, make(size), JSON)
    for name in example:
        others = json.dumps({key: value for key, value in example.items() if key != name})[1:-1]
        for kind, value in FIELDS.items():
            start = f"{{{others}{', ' if others else ''}{json.dumps(name)}: "
            yield HostileRequest(f"{name}: {kind}", path, f"{start}{value(size - len(start) - 1)}}}".encode(), JSON)


def _headers(endpoint: Endpoint) -> Iterator[tuple[str, ...]]:
    """The headers of each request: those that the route reads, and some that it should ignore."""
    yield IGNORED_OR_CONDITIONS
    if endpoint.body:
        yield ("Content_Type",)
        yield ("Content_Encoding",)
    if endpoint.idempotent:
        yield ("Idempotency_Key",)
    if "{" not in endpoint.path:
        yield ("Authorization",)


def _queries(endpoint: Endpoint, size: int) -> Iterator[tuple[str, str]]:
    for kind, query in QUERIES.items():
        yield kind, query(size)
    for name in endpoint.query.model_fields:
        for kind in ("digits", "other characters"):
            yield f"{name}: {kind}", f"{name}={quote(TEXTS[kind](size // 4))}"
    if "cursor" in endpoint.query.model_fields:
        for kind, content in CURSORS.items():
            yield f"cursor: {kind}", f"cursor={_cursor(content, CURSOR_BYTES)}"
        yield "cursor: too long", f"cursor={_cursor(CURSORS['a long key'], size // 2)}"


def _cursor(content: Callable[[int], bytes], size: int) -> str:
    return base64.urlsafe_b64encode(content(size)).decode().rstrip("=")
