"""`make schemathesis`: the long trial of the API, on its own stack.

    python -m tests.contract [options of schemathesis]

The short trial is one of the tests.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from infra import entry
from tests.contract import trial

EXAMPLES = 100
"""Per operation and phase."""


def main(options: list[str]) -> int:
    """Returns schemathesis' exit status."""
    with tempfile.TemporaryDirectory() as directory:
        return trial.run(Path(directory), "--max-examples", str(EXAMPLES), *options).returncode


if __name__ == "__main__":
    entry.run(main)
