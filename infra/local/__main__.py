"""`python -m infra.local`: starts the local stack and keeps it running until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import sys

from chalicelib.backends.migrations import MigrationError
from infra.local import options
from infra.local.lambda_.execution_environment import FunctionCrashed
from infra.local.lambda_.schedule_expression import ScheduleError
from infra.local.lambda_.zygote_client import AppFailed
from infra.local.options import OptionError
from infra.local.postgres.leftovers import PostgresFailed
from infra.local.processes.lock import AlreadyRunning
from infra.local.processes.ports import PortInUse
from infra.local.s3_sqs.leftovers import EmulatorFailed
from infra.local.s3_sqs.template import TemplateError
from infra.local.supervisor import StackBroke, Supervisor

FORESEEN = (
    AlreadyRunning,
    AppFailed,
    EmulatorFailed,
    FunctionCrashed,
    MigrationError,
    OptionError,
    PortInUse,
    PostgresFailed,
    ScheduleError,
    StackBroke,
    TemplateError,
)
"""What a user can do something about: told in one message, without a traceback."""


def main() -> int:
    """Runs the stack. Returns 0 after it was told to stop, 1 when it could not start or broke."""
    try:
        Supervisor(options.read(os.environ), _say).run()
    except KeyboardInterrupt:
        return 0
    except FORESEEN as error:
        sys.stderr.write(f"The stack cannot run: {error}\n")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
