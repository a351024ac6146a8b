"""The running API agrees with its OpenAPI document: the short trial. `make schemathesis` runs the long one."""

from __future__ import annotations

from pathlib import Path

from tests.contract import trial

EXAMPLES = 8
"""Per operation and phase."""
SECONDS_MAX = 200.0
"""A run takes 20 s on two free cores."""


def test_schemathesis_finds_no_difference_between_the_api_and_its_document(tmp_path: Path) -> None:
    assert trial.PROGRAM.exists(), "schemathesis is not installed: make .venv-schemathesis/.installed"

    # The same cases in each run, so that a failure can be repeated.
    ran = trial.run(
        tmp_path, "--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-color",
        timeout_seconds=SECONDS_MAX,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout
    assert "Missing test data" not in ran.stdout, f"some operations were never reached:\n{ran.stdout}"
