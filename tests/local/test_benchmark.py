"""`make bench` still works: a tiny run of the parts that use the importer's own statements, stacks and servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.testing import clean_environment
from infra.project import ROOT
from tests.benchmark import page
from tests.benchmark.goals import GOALS

SECONDS_MAX = 280
ROWS = 2_000
SCENARIOS = "paired,shipped,budget"


@pytest.mark.slow
def test_a_tiny_run_measures_and_shows_every_goal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmark", "--rows", str(ROWS), "--runs", "1", "--only", SCENARIOS]
    finished = subprocess.run(
        command,
        cwd=ROOT,
        env={**clean_environment(), "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    results = json.loads((tmp_path / "benchmark/results.json").read_text("utf-8"))
    assert {"first", "again", "shipped_first", "shipped_again"} <= results["figures"].keys()
    assert [line["what"] for line in results[page.GOALS]] == [goal.name for goal in GOALS]
    assert all(goal.name in finished.stdout for goal in GOALS)
    cpu = {line["what"]: line for line in results["As shipped: CPU seconds"]}
    assert cpu["import, first"]["all"] > cpu["import, first"]["PostgreSQL"] > 0
