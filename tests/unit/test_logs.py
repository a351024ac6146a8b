"""A log line is one JSON object, and CloudWatch finds the metrics in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from chalicelib.limits import LOG_TEXT_CHARACTERS_MAX
from chalicelib.settings import Settings
from chalicelib.telemetry import ERROR, MEASURES, Stopwatch, log, log_context, request_id
from functions import logs
from tests.support.log_lines import EMBEDDED_METRICS, Line, caught, metrics

IMPORT = UUID("019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d")


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    with caught() as found:
        yield found


def test_a_line_has_time_level_message_and_ids(lines: list[Line]) -> None:
    before = datetime.now(UTC)
    with (
        log_context(request_id="r-1", function="upsert_chunk", message_id=None),
        log_context(import_id=IMPORT, chunk=3),
    ):
        log("chunk written", note="größer „als“ …\nbisher")
    (line,) = lines
    assert before.replace(microsecond=0) <= datetime.fromisoformat(line.pop("timestamp")) <= datetime.now(UTC)
    assert line == {
        "level": "INFO",
        "message": "chunk written",
        "logger": "chalicelib",
        "stage": "local",
        "request_id": "r-1",
        "function": "upsert_chunk",
        "import_id": str(IMPORT),
        "chunk": 3,
        "note": "größer „als“ …\nbisher",
    }


def test_ids_are_on_the_lines_inside_and_on_no_others(lines: list[Line]) -> None:
    with log_context(request_id="r-1"):
        with pytest.raises(LookupError), log_context(chunk=1):
            raise LookupError
        log("outside")
        assert request_id() == "r-1"
    assert "chunk" not in lines[0]
    assert request_id() == "-"


def test_measures_are_metrics_in_the_embedded_format(lines: list[Line]) -> None:
    with log_context(function="upsert_chunk"):
        log("everything", measured={name: number + 0.5 for number, name in enumerate(MEASURES)})
    (line,) = lines
    assert list(Draft202012Validator(EMBEDDED_METRICS).iter_errors(line)) == []
    found = metrics(line)
    assert set(found) == set(MEASURES)
    for number, (name, measure) in enumerate(MEASURES.items()):
        kept_by = ("local", "upsert_chunk") if measure.by_function else ("local",)
        assert found[name] == (number + 0.5, measure.unit.value, kept_by)
    moment = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC)
    assert abs((moment - datetime.fromisoformat(line["timestamp"])).total_seconds()) < 0.001


def test_a_line_without_measures_is_no_metric(lines: list[Line]) -> None:
    log("nothing to count")
    assert "_aws" not in lines[0]


def test_an_error_is_logged_with_its_traceback_on_the_same_line(lines: list[Line]) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError as error:
        log("it broke", level=ERROR, error=error)
    (line,) = lines
    assert line["level"] == "ERROR"
    assert line["exception"].startswith("Traceback")
    assert "ZeroDivisionError: " in line["exception"].splitlines()[-1]


def test_the_end_of_a_long_text_is_kept(lines: list[Line]) -> None:
    log("long", text="a" * LOG_TEXT_CHARACTERS_MAX + "the cause")
    assert len(lines[0]["text"]) == LOG_TEXT_CHARACTERS_MAX + 1
    assert lines[0]["text"].startswith("…a")
    assert lines[0]["text"].endswith("the cause")


@pytest.mark.timeout(20)
def test_no_foreign_text_slows_a_function_down(lines: list[Line]) -> None:
    for part in ("a", "secret", "://", "://:", "Bearer ", "password ", "v1,", "x-"):
        log("hostile", text=part * (1_000_000 // len(part)), other="password" + part * (LOG_TEXT_CHARACTERS_MAX // 2))
    assert len(lines) == 8


def test_no_half_of_a_secret_at_the_cut_is_logged(lines: list[Line]) -> None:
    secret = f"password={'z' * 40} "
    for before in range(-30, 10):
        log("cut", text="-" * 100 + secret + "-" * (LOG_TEXT_CHARACTERS_MAX + before))
        log("cut", text="-" * 100 + secret + "-" * (2 * LOG_TEXT_CHARACTERS_MAX + before))
    assert not [line for line in lines if "zz" in line["text"]]


def test_half_of_a_surrogate_pair_does_not_lose_the_line(lines: list[Line]) -> None:
    with log_context(product_id="\udc80"):
        log("looked for")
    assert lines[0]["product_id"] == "\udc80"
    record = logging.LogRecord("test", logging.INFO, "", 0, "\udc80", None, None)
    assert logs.JsonLines().format(record).encode("utf-8")


def test_what_libraries_log_has_the_same_shape() -> None:
    with caught("urllib3") as found:
        logging.getLogger("urllib3.connectionpool").warning("Retrying %s", "soon")
    assert found[0]["message"] == "Retrying soon"
    assert found[0]["logger"] == "urllib3.connectionpool"


class Runtime(logging.Handler):
    """Like Lambda's handler, which adds no line end."""

    def __init__(self, stream: io.StringIO) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record))


@pytest.mark.parametrize("kind", [Runtime, logging.StreamHandler])
def test_each_line_ends_once_with_every_handler(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    handler = kind(stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    logs.configure()
    for text in ("one", "two"):
        logging.getLogger().handle(logging.LogRecord("test", logging.INFO, "", 0, text, None, None))
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["one", "two"]


def test_the_level_applies_to_our_own_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings.model_construct(log_level="DEBUG")
    monkeypatch.setattr(logs, "settings", lambda: given)
    before = {name: logging.getLogger(name).level for name in ("", *logs.OURS)}
    for name in before:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        logs.set_level.__wrapped__()
        heard = {name: logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in (*before, "botocore")}
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    assert heard == {"": False, "chalicelib": True, "functions": True, "botocore": False}


def test_without_handlers_lines_go_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.configure()
    logging.getLogger().warning("heard")
    assert json.loads(capsys.readouterr().out)["message"] == "heard"


def test_a_stopwatch_adds_up_and_counts_failures_too() -> None:
    clock = Stopwatch()
    for _ in range(2):
        with pytest.raises(LookupError), clock.stage("SplitMilliseconds"):
            raise LookupError
    first = clock.milliseconds["SplitMilliseconds"]
    with clock.stage("SplitMilliseconds"):
        pass
    assert 0 <= first <= clock.milliseconds["SplitMilliseconds"]
