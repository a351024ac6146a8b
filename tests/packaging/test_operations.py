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


def test_every_alarm_has_its_line(package: Package) -> None:
    explained = [row[0] for row in rows(PAGE, "Alarms")]
    functions = functions_of(package.template)
    for name in package.of_type("AWS::CloudWatch::Alarm"):
        matched = OF_EACH_FUNCTION.fullmatch(name)
        if matched:
            assert name.removesuffix(matched[1]) in functions
        told = f"`…{matched[1]}` of a function" if matched else f"`{name}`"
        assert explained.count(told) == 1, name
    assert len(explained) == len({*package.of_type("AWS::CloudWatch::Alarm")} - _of_functions(package)) + 2


def test_every_metric_has_its_line() -> None:
    assert rows(PAGE, "Metrics") == [
        [f"`{name}`{'*' if each.by_function else ''}", each.unit.value, each.meaning] for name, each in MEASURES.items()
    ]


def test_every_dead_letter_queue_is_spoken_of(package: Package) -> None:
    told = " ".join(row[0] for row in rows(PAGE, "Dead letters", "###"))
    queues = [each["QueueName"]["Fn::Sub"] for each in package.of_type("AWS::SQS::Queue").values()]
    dead = {name.removeprefix("product-importer-${Stage}-") for name in queues if name.endswith("-dead")}
    assert set(re.findall(r"`([\w-]+)`", told)) == dead


def test_names_in_commands_are_those_that_are_deployed(package: Package) -> None:
    functions = {f"product-importer-{STAGE}-{name}" for name in package.functions}
    named = set(re.findall(r"--function-name (product-importer-[\w-]+)", PAGE))
    assert named
    assert named <= functions
    codes = "\n".join(file.read_text("utf-8") for file in (ROOT / "chalicelib").rglob("*.py"))
    for name in set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE)) - set(package.functions) - {"trace_id"}:
        assert f'"{name}"' in codes, name
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+) STAGE", PAGE)) <= targets


def test_the_costs_are_those_of_what_is_deployed(package: Package) -> None:
    costs = (ROOT / "docs/deploy.md").read_text("utf-8")
    assert f"| {len(package.of_type('AWS::CloudWatch::Alarm'))} alarms |" in costs
    by_function = sum(each.by_function for each in MEASURES.values())
    by_stage, at_most = len(MEASURES) - by_function, by_function * len(package.functions)
    assert f"| {by_stage} metrics of ours, and two for each function" in costs
    assert f"at most {by_stage + at_most} |" in costs
    assert by_function == 2


@pytest.mark.parametrize("query", [row[1] for row in rows(PAGE, "Searching the log")])
def test_queries_ask_for_what_lines_have(query: str) -> None:
    source = "\n".join(
        file.read_text("utf-8") for name in ("chalicelib", "functions") for file in Path(ROOT / name).rglob("*.py")
    )
    for message in re.findall(r'message = "([^"]+)"', query):
        assert f'"{message}"' in source, message
    asked = re.findall(r"filter (\w+)|(?:by|display) ([\w, @()]+)|pct\((\w+)", query.replace("\\|", "|"))
    for field in re.findall(r"@?[a-zA-Z_]+", " ".join(" ".join(each) for each in asked)):
        known = field in MEASURES or field in ("@timestamp", "bin", "m") or re.search(rf'\b{field}=|"{field}"', source)
        assert known, field


def _of_functions(package: Package) -> set[str]:
    return {name for name in package.of_type("AWS::CloudWatch::Alarm") if OF_EACH_FUNCTION.fullmatch(name)}
