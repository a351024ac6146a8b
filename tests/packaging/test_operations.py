"""docs/operations.md explains everything that is deployed, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.telemetry import MEASURES
from infra.deploy.every_function import functions_of
from infra.project import ROOT
from tests.packaging.conftest import STAGE, Package
from tests.support.markdown import rows

PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
OF_EACH_FUNCTION = re.compile(r"\w+(ErrorsAlarm|ThrottlesAlarm)")


def test_every_alarm_is_explained(package: Package) -> None:
    explained = [row[0] for row in rows(PAGE, "Alarms")]
    functions = functions_of(package.template)
    for name in package.of_type("AWS::CloudWatch::Alarm"):
        matched = OF_EACH_FUNCTION.fullmatch(name)
        if matched:
            assert name.removesuffix(matched[1]) in functions
        entry = f"`…{matched[1]}` of a function" if matched else f"`{name}`"
        assert explained.count(entry) == 1, name
    assert len(explained) == len({*package.of_type("AWS::CloudWatch::Alarm")} - _of_functions(package)) + 2


def test_every_metric_is_explained() -> None:
    assert rows(PAGE, "Metrics") == [
        [f"`{name}`{'*' if each.by_function else ''}", each.unit.value, each.meaning] for name, each in MEASURES.items()
    ]


def test_every_dead_letter_queue_is_explained(package: Package) -> None:
    explained = " ".join(row[0] for row in rows(PAGE, "Dead letters", "###"))
    queues = [each["QueueName"]["Fn::Sub"] for each in package.of_type("AWS::SQS::Queue").values()]
    dead = {name.removeprefix("product-importer-${Stage}-") for name in queues if name.endswith("-dead")}
    assert set(re.findall(r"`([\w-]+)`", explained)) == dead


def test_names_in_commands_exist(package: Package) -> None:
    functions = {f"product-importer-{STAGE}-{name}" for name in package.functions}
    named = set(re.findall(r"--function-name (product-importer-[\w-]+)", PAGE))
    assert named
    assert named <= functions
    codes = "\n".join(file.read_text("utf-8") for file in (ROOT / "chalicelib").rglob("*.py"))
    for name in set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE)) - set(package.functions) - {"trace_id"}:
        assert f'"{name}"' in codes, name
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+) STAGE", PAGE)) <= targets


def test_costs_are_calculated_for_what_is_deployed(package: Package) -> None:
    costs = (ROOT / "docs/deploy.md").read_text("utf-8")
    assert f"| {len(package.of_type('AWS::CloudWatch::Alarm'))} alarms |" in costs
    by_function = sum(each.by_function for each in MEASURES.values())
    by_stage, at_most = len(MEASURES) - by_function, by_function * len(package.functions)
    assert f"| {by_stage} metrics of ours, and two for each function" in costs
    assert f"at most {by_stage + at_most} |" in costs
    assert by_function == 2


@pytest.mark.parametrize("query", [row[1] for row in rows(PAGE, "Searching the log")])
def test_queries_use_only_fields_and_messages_of_log_lines(query: str) -> None:
    source = "\n".join(
        file.read_text("utf-8") for name in ("chalicelib", "functions") for file in Path(ROOT / name).rglob("*.py")
    )
    for message in re.findall(r'message = "([^"]+)"', query):
        assert f'"{message}"' in source, message
    mentioned = re.findall(r"filter (\w+)|(?:by|display) ([\w, @()]+)|pct\((\w+)", query.replace("\\|", "|"))
    for field in re.findall(r"@?[a-zA-Z_]+", " ".join(" ".join(each) for each in mentioned)):
        known = field in MEASURES or field in ("@timestamp", "bin", "m") or re.search(rf'\b{field}=|"{field}"', source)
        assert known, field


@pytest.mark.parametrize("query", [row[1] for row in rows(PAGE, "Refused requests")])
def test_queries_of_the_access_log_use_only_its_fields(query: str, package: Package) -> None:
    mentioned = re.findall(r"filter (\w+)|by ([\w, ]+)", query)
    fields = set(re.findall(r"\w+", " ".join(" ".join(each) for each in mentioned)))
    assert fields
    assert fields <= set(package.access_log)


def _of_functions(package: Package) -> set[str]:
    return {name for name in package.of_type("AWS::CloudWatch::Alarm") if OF_EACH_FUNCTION.fullmatch(name)}
