"""Runs schemathesis against a whole stack of its own: does the API do what its OpenAPI document says, and no more?

    python -m tests.contract [schemathesis' own options]

schemathesis lives in an environment of its own; this program, in the project's, starts the stack that it talks to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.local.testing import running_stack

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-schemathesis/bin/schemathesis"
CONFIG = "tests/contract/schemathesis.toml"
HOOKS = "tests.contract.hooks"
EXAMPLES = 100
"""Per operation and phase."""


def main(options: list[str]) -> int:
    """Returns schemathesis' exit status."""
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory)) as stack:
        command = [
            str(PROGRAM),
            "--config-file",
            CONFIG,
            "run",
            f"{stack.file.url}/api/openapi.json",
            "--header",
            f"Authorization: Bearer {stack.file.token}",
            "--checks",
            "all",
            "--max-examples",
            str(EXAMPLES),
            *options,
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
