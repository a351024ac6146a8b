"""The logs of the packaged functions in CloudWatch: every step of an import, its metrics, and no secret.

The emulator stores lines but does not extract metrics from them, so the tests read the metrics from the lines.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from functions.logs import NAMESPACE
from infra.local.processes.deadline import wait_until
from tests.cloud.deployed import STACK, STAGE, Deployed
from tests.support.log_lines import Line, metrics, with_message
from tests.support.secret_forms import signature_of, written_forms

CONTENT = b"".join(
    [
        b"sku,name,description\n",
        *(b"LOG-%d,name,%s\n" % (number, b"x" * 10_000) for number in range(300)),
        b"LOG-0,the last one wins,\nLOG-300,,rejected\n",
    ]
)
"""With one superseded row and one rejected row."""
CHUNKS = 2
LOGGED_SECONDS_MAX = 30.0
LOG_DAYS = 30
"""The default of infra/deploy/functions.yml."""
WRONG_TOKEN = "imp_canary-5e0c2f71"


@pytest.fixture(scope="module")
def imported(cloud: Deployed) -> tuple[str, dict[str, Any]]:
    """The request id of an import's registration, and the import after its end."""
    registered = cloud.call("POST", "/imports", {"filename": "logged.csv", "size_bytes": len(CONTENT)})
    cloud.put(registered.json()["upload"], CONTENT)
    return registered.headers["X-Request-Id"], cloud.wait_for_end(f"/imports/{registered.json()['id']}")


def lines_about(cloud: Deployed, import_id: str) -> list[Line]:
    """Returns the log lines of an import, in the order of the functions that process it, without those of reads."""

    def logged() -> list[Line]:
        lines = [line for function in ("api", "split_upload", "upsert_chunk") for line in cloud.lines(function)]
        return [line for line in lines if line.get("import_id") == import_id and line["message"] != "request answered"]

    # Lambda passes on the lines of an invocation at its end, a little later than its effects can be seen.
    def is_complete() -> bool:
        lines = logged()
        return len(with_message(lines, "chunk written")) == CHUNKS and bool(with_message(lines, "import registered"))

    wait_until(is_complete, LOGGED_SECONDS_MAX, "every step is logged")
    return logged()


def test_an_import_can_be_followed_through_the_functions_by_its_id(
    cloud: Deployed, imported: tuple[str, dict[str, Any]]
) -> None:
    request_id, ended = imported
    lines = lines_about(cloud, ended["id"])
    steps = [(line["function"], line["message"], line.get("chunk")) for line in lines]

    assert steps[:3] == [
        ("api", "import registered", None),
        ("split_upload", "import accepted", None),
        ("split_upload", "file split", None),
    ]
    assert sorted(each for each in steps[3:] if each[1] == "chunk written") == [
        ("upsert_chunk", "chunk written", 0),
        ("upsert_chunk", "chunk written", 1),
    ]
    assert len(steps) == len(set(steps)) == 6
    assert lines[0]["request_id"] == request_id
    for line in lines[1:]:
        assert (line["stage"], line["receive_count"]) == (STAGE, 1)
        assert {"request_id", "trace_id", "message_id"} <= set(line)
    # One message from S3 and one for each chunk, each processed by one invocation.
    for each in ("message_id", "request_id"):
        assert len({line[each] for line in lines[1:]}) == 1 + CHUNKS


def test_the_metrics_of_its_chunks_add_up_to_its_row_counts(
    cloud: Deployed, imported: tuple[str, dict[str, Any]]
) -> None:
    _, ended = imported
    lines = lines_about(cloud, ended["id"])
    written = [metrics(line) for line in with_message(lines, "chunk written")]
    (split,) = [metrics(line) for line in with_message(lines, "file split")]

    def total(name: str) -> tuple[float, set[tuple[str, tuple[str, ...]]]]:
        values = [each[name] for each in written]
        return sum(value for value, _, _ in values), {(unit, dimensions) for _, unit, dimensions in values}

    assert ended["rows"] == {
        "total": 302, "created": 300, "updated": 0, "unchanged": 0, "superseded": 1, "rejected": 1
    }  # fmt: skip
    for name in ("created", "updated", "unchanged", "superseded", "rejected"):
        assert total(f"Rows{name.capitalize()}") == (ended["rows"][name], {("Count", (STAGE,))})
    assert total("ChunkBytes") == (split["SplitBytes"][0], {("Bytes", (STAGE,))})


def test_the_alarm_watches_the_metric_in_the_line_of_a_failed_import(cloud: Deployed) -> None:
    failed = cloud.wait_for_end(f"/imports/{cloud.upload(b'name')}")

    def lines() -> list[Line]:
        return [
            line
            for line in with_message(cloud.lines("split_upload"), "import failed")
            if line["import_id"] == failed["id"]
        ]

    wait_until(lambda: bool(lines()), LOGGED_SECONDS_MAX, "the failure is logged")
    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (failed["error"]["code"], line["ImportsFailed"]) == (line["code"], 1)

    alarms = cloud.account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = [each for each in alarms if each["MetricName"] == "ImportsFailed"]
    assert alarm["Namespace"] == directive["Namespace"] == NAMESPACE
    assert alarm["Dimensions"] == [{"Name": name, "Value": line[name]} for name in directive["Dimensions"][0]]
    assert alarm["Threshold"] < line["ImportsFailed"]


def test_logs_are_kept_for_the_time_in_the_template(cloud: Deployed) -> None:
    pages = cloud.account.client("logs").get_paginator("describe_log_groups").paginate()
    kept = {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}
    ours = {name: days for name, days in kept.items() if name.startswith(f"/aws/lambda/{STACK}-")}
    assert len(ours) > 10
    assert set(ours.values()) == {LOG_DAYS}


def test_no_secret_is_in_any_line(cloud: Deployed, imported: tuple[str, dict[str, Any]]) -> None:
    _, ended = imported
    link = cloud.json("POST", "/imports", {"filename": "x.csv", "size_bytes": 1})["upload"]["url"]
    webhook = cloud.json("POST", "/webhooks", {"url": "http://127.0.0.1:1/hook", "events": ["product.deleted"]})
    assert cloud.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204
    assert cloud.call("GET", "/products", Authorization=f"Bearer {WRONG_TOKEN}").status_code == 401
    secrets: list[str | bytes] = [
        cloud.token,
        WRONG_TOKEN,
        signature_of(link),
        webhook["secret"],
        base64.b64decode(webhook["secret"].removeprefix("whsec_")),
        *map(signature_of, cloud.database.front.logins.tokens),
    ]

    groups = cloud.account.log_groups()
    places = {group: "\n".join(cloud.account.log_messages(group)).encode() for group in groups}
    assert ended["id"].encode() in places[f"/aws/lambda/{STACK}-upsert_chunk"], (
        "the search does not cover the function's log"
    )
    assert [
        group for group in groups for each in secrets for form in written_forms(each) if form in places[group]
    ] == []
