"""Wrong values on the command line of `make`: one line that names the variable, and nothing is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.local.testing import clean_environment
from infra.project import ROOT

RUN_SECONDS_MAX = 120
FAILED = 2
"""The status of make itself after any failure."""


def make(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs make with an empty DATA_DIR. Never installs anything: what runs these tests is installed."""
    return subprocess.run(
        ["make", "--no-print-directory", "--old-file", ".venv/.installed", *arguments],
        cwd=ROOT,
        env={**clean_environment(), **environment, "DATA_DIR": str(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )


WRONG = [
    (("import",), "FILE is required. Example: make import FILE=products.csv"),
    (("import", "FILE=none.csv"), "'none.csv' does not exist. Example: make import FILE=products.csv"),
    (("import", 'FILE=it\'s $5 "new".csv'), "'it's $5 \"new\".csv' does not exist."),
    (("import", "FILE=--help"), "'--help' does not exist."),
    (("import", "FILE=a.csv", "ENCODING=ansi"), "ENCODING must be one of utf-8, utf-16,"),
    (("demo", "ROWS=abc"), "ROWS must be a whole number from 1 to 50,000,000, not 'abc'. Example: make demo ROWS="),
    (("demo", "ROWS=0"), "ROWS must be a whole number"),
    (("demo", "ROWS=1 2"), "ROWS must be a whole number from 1 to 50,000,000, not '1 2'."),
    (("demo",), "No stack is running on"),
    (("psql",), "No stack is running on"),
    (("tokens",), "No stack is running on"),
    (("token",), "NAME is required. Example: make token NAME='the shop'"),
    (("token", "NAME=shop", "SCOPE=root"), "SCOPE must be one of read, write, admin, not 'root'. Example: make token"),
    (("token", "NAME=shop", "EXPIRES=90"), "EXPIRES must be a number of hours, days or weeks, such as 12h, 90d or 26w"),
    (("revoke-token",), "NAME is required. Example: make revoke-token NAME='the shop'"),
    (("tokens", "STAGE="), "STAGE must be up to 20 lower-case letters"),
    (("tokens", "STAGE=The shop"), "STAGE must be up to 20 lower-case letters"),
    (("package", "STAGE=The shop"), "STAGE=The shop is not valid: it must be up to 20 lower-case letters"),
    (("deploy", "STAGE=local"), "STAGE=local is reserved"),
    (("deploy", "PARAMETERS=AlarmEmail"), "PARAMETERS must be Name=value, or several separated by spaces"),
    (("deploy", "PARAMETERS=Stage=other"), "PARAMETERS must not contain Stage: the deployment sets it."),
    (("destroy",), "STAGE is required. Example: make destroy STAGE=dev"),
    (("destroy", "STAGE="), "STAGE= is not valid"),
    (("emulator", "EMULATOR=moto"), "EMULATOR must be one of localstack, ministack, external, not 'moto'"),
    (("run", "PORT=abc"), "The stack cannot run: PORT must be a whole number from 1 to 65535, not 'abc'"),
    (("run", "WORKERS=0"), "The stack cannot run: WORKERS must be a whole number"),
    (("run", "API_TOKEN=short"), "The stack cannot run: API_TOKEN: a token needs at least 20 characters"),
    (("run", "LOG_LEVEL=loud"), "The stack cannot run: LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
    (("run", "CHALICE_STAGE=prod"), "The stack cannot run: CHALICE_STAGE must be dev or empty, not 'prod'"),
    (("run", "DOCKER=yes"), "The stack cannot run: DOCKER must be 1 or empty, not 'yes'"),
    (("run", "DOCKER=1"), "The stack cannot run: DOCKER=1 needs"),
    (("bench", "BENCH_ARGS=--only nothing"), "ONLY must be of paired, kinds,"),
    (("bench", "BENCH_ARGS=--runs 0"), "RUNS must be a whole number from 1 to 100, not '0'. Example: make bench"),
]


@pytest.mark.parametrize(("arguments", "expected"), WRONG, ids=lambda value: " ".join(value)[:60])
def test_a_wrong_value_is_explained_in_one_line(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    ended = make(tmp_path / "none", *arguments)
    explanation, *rest = ended.stderr.splitlines()
    assert ended.returncode == FAILED
    assert explanation.startswith(expected)
    assert all(line.startswith("make: ") for line in rest)
    assert "python -m" not in explanation
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("target", "variable"), [("huge", "HUGE_FILE_MB"), ("chaos", "CHAOS_SEED")])
def test_a_wrong_setting_of_a_test_run_ends_it(tmp_path: Path, target: str, variable: str) -> None:
    ended = make(tmp_path, target, f"{variable}=abc")
    assert ended.returncode == FAILED
    assert f"{variable} must be a whole number, not 'abc'" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout


def test_values_in_the_environment_reach_a_command_unchanged(tmp_path: Path) -> None:
    ended = make(tmp_path, "import", FILE='a $b "c".csv')
    assert ended.stderr.startswith("'a $b \"c\".csv' does not exist.")
