"""`python -m infra.local`: starts the local stack and keeps it running until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import sys

from infra import entry
from infra.local import options
from infra.local.errors import StackError
from infra.local.supervisor import Supervisor


def main(_arguments: list[str]) -> int:
    """Runs the stack. Returns 0 after it was asked to stop, 1 when it could not start or broke. Raises Interrupted."""
    try:
        Supervisor(options.read(os.environ), _say).run()
    except StackError as error:
        sys.stderr.write(f"The stack cannot run: {error}\n")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    entry.run(main)
