"""The documentation of the API and of webhooks agrees with the routes and the models of the application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib import events
from chalicelib.csvfile import header, rows
from chalicelib.importing import outcomes
from functions.api.endpoints import Endpoint, endpoints_of
from functions.api.routes import PREFIX
from tests.support import markdown
from tests.support.markdown import PAGES, ROOT, blocks, fences, read, spans

API = ROOT / "docs/api.md"
ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (…?/\S+)")
CURL = re.compile(r"\$ curl (?P<command>.+?)(?=\n[^ ]|\Z)", re.DOTALL)
Route = tuple[str, str]


def normal(path: str) -> str:
    """A path without its query, its identifiers left open."""
    return re.sub(r"{\w+}", "{}", path.partition("?")[0])


@cache
def endpoints() -> dict[Route, Endpoint]:
    return {(each.method, normal(PREFIX + each.path)): each for each in endpoints_of(app.app)}


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


# --- routes -------------------------------------------------------------------------------------------------------


def is_known(method: str, path: str) -> bool:
    """Whether there is such a route; `…/cancel` abbreviates one."""
    if path.startswith("…"):
        return any(known == method and ends.endswith(normal(path[1:])) for known, ends in endpoints())
    return (method, normal(path)) in endpoints()


def test_every_route_on_a_page_exists(page: Path) -> None:
    for span in spans(read(page)):
        found = ROUTE.fullmatch(span)
        if found:
            assert is_known(found[1], found[2]), span
        elif re.fullmatch(rf"{PREFIX}/[\w/{{}}-]+", span):
            assert any(known == normal(span) for _, known in endpoints()), span


def test_every_route_has_a_row() -> None:
    cells = re.findall(r"^\| `([A-Z]+) (/\S+)` \|", read(API), re.MULTILINE)
    assert sorted((method, normal(path)) for method, path in cells) == sorted(endpoints())


# --- samples ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A command on the page, and the JSON that follows it."""

    endpoint: Endpoint
    sent: str | None
    answered: str | None


def samples() -> list[Sample]:
    return list(_samples())


def _samples() -> Iterator[Sample]:
    found = fences(read(API))
    for fence, following in zip(found, [*found[1:], None], strict=True):
        for curl in CURL.finditer(fence.text):
            command = curl["command"]
            method = re.search(r"-X (\w+)", command)
            path = re.search(rf"http://[^/]+({PREFIX}[^\s\"]*)", command)
            sent = re.search(r"-d '(.+?)'", command)
            assert path
            endpoint = endpoints()[method[1] if method else "GET", re.sub(r"/\d+\b", "/{}", normal(path[1]))]
            is_answer = following is not None and following.language == "json"
            yield Sample(endpoint, sent[1] if sent else None, following.text if following and is_answer else None)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.endpoint.name)
def test_every_sample_request_is_valid(sample: Sample) -> None:
    assert (sample.endpoint.body is None) == (sample.sent is None)
    if sample.endpoint.body is not None and sample.sent is not None:
        sample.endpoint.body.model_validate_json(sample.sent)


def shape(value: Any) -> Any:
    """The names in a JSON document, whatever their values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize(
    "sample", [each for each in samples() if each.answered], ids=lambda sample: sample.endpoint.name
)
def test_every_sample_response_has_the_fields_of_the_model(sample: Sample) -> None:
    assert sample.endpoint.answer is not None
    assert sample.answered is not None
    given = json.loads(sample.answered)
    assert shape(given) == shape(sample.endpoint.answer.model_validate(given).model_dump(mode="json"))


def bodies(block: str) -> Iterator[tuple[Endpoint, str]]:
    """The JSON objects in a block, each with the last route before it."""
    endpoint = None
    for span in spans(block):
        if found := ROUTE.fullmatch(span):
            endpoint = endpoints().get((found[1], normal(found[2])))
        elif span.startswith('{"') and endpoint is not None:
            yield endpoint, span


def test_every_body_in_the_prose_is_valid(page: Path) -> None:
    for block in blocks(read(page)):
        for endpoint, body in bodies(block):
            assert endpoint.body is not None, body
            endpoint.body.model_validate_json(body)


def test_the_message_on_the_webhooks_page_has_the_fields_of_a_real_one() -> None:
    [http] = [fence for fence in fences(read(ROOT / "docs/webhooks.md")) if fence.language == "http"]
    message = json.loads(http.text.partition("\n\n")[2])
    [sent] = [each for each in events.TYPES if each.name == message["type"]]
    real = events.message(sent.name, datetime.fromisoformat(message["timestamp"]), dict(sent.example))
    assert message == real
    assert f"now {events.VERSION}." in read(ROOT / "docs/webhooks.md")


def test_the_data_on_the_webhooks_page_is_that_of_a_completed_import() -> None:
    [data] = [fence for fence in fences(read(ROOT / "docs/webhooks.md")) if fence.language == "json"]
    [completed] = [each for each in events.TYPES if each.name == "import.completed"]
    assert json.loads(data.text) == completed.example


def test_every_outcome_of_an_import_is_listed() -> None:
    section = read(API).partition("### How an import ended\n")[2].partition("\n## ")[0]
    listed = [outcome.strip("`") for outcome, *_ in markdown.rows(f"## Outcomes\n{section}", "Outcomes")]
    assert tuple(listed) == outcomes.OUTCOMES


# --- the file -----------------------------------------------------------------------------------------------------


def columns() -> list[list[str]]:
    return markdown.rows(read(ROOT / "docs/files.md"), "Columns")


def code_of(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_name_of_a_column_is_listed() -> None:
    listed = {alias: field.strip("`") for field, _, _, aliases in columns() for alias in code_of(aliases)}
    assert listed == header._ALIASES
    required = tuple(field.strip("`") for field, needed, _, _ in columns() if needed == "yes")
    assert required == header._REQUIRED


def test_every_value_of_active_is_listed() -> None:
    [rule] = [rule for field, _, rule, _ in columns() if field == "`active`"]
    assert code_of(rule) == {value for value in rows._ACTIVE if value}
