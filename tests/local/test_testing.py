"""The error of a test whose stack does not come up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.local.testing import LOG_LINES_SHOWN, read_until, start_process


def test_the_error_shows_the_output_and_the_logs_of_the_stack(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "functions.log").write_text("\n".join(["the first line", *["…"] * LOG_LINES_SHOWN, "SyntaxError: app.py"]))
    (logs / "postgres.log").write_text("the last line\n")
    process = start_process([sys.executable, "-c", "print('starting'); raise SystemExit(3)"], os.environ)

    with pytest.raises(AssertionError, match=r"no line 'Ready: ' .* \(status 3\)") as raised:
        read_until(process, "Ready: ", [], tmp_path)

    explained = str(raised.value)
    for expected in ("starting", "functions.log", "SyntaxError: app.py", "postgres.log", "the last line"):
        assert expected in explained
    assert "the first line" not in explained
    assert process.stdout is not None
    process.stdout.close()
