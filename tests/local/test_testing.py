"""What a test is told when its stack does not come up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.local.testing import LOG_LINES_SHOWN, read_until, start_process


def test_a_stack_that_does_not_come_up_is_explained_by_its_output_and_its_logs(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "functions.log").write_text("\n".join(["the first line", *["…"] * LOG_LINES_SHOWN, "SyntaxError: app.py"]))
    (logs / "postgres.log").write_text("a last word\n")
    process = start_process([sys.executable, "-c", "print('starting'); raise SystemExit(3)"], os.environ)

    with pytest.raises(AssertionError, match=r"no line 'Ready: ' .* \(status 3\)") as raised:
        read_until(process, "Ready: ", [], tmp_path)

    explained = str(raised.value)
    for expected in ("starting", "functions.log", "SyntaxError: app.py", "postgres.log", "a last word"):
        assert expected in explained
    assert "the first line" not in explained
    assert process.stdout is not None
    process.stdout.close()
