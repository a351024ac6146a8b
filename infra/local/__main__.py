"""`python -m infra.local`: starts the local stack and keeps it running until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import sys

from chalicelib.migrations import MigrationError
from infra.local import options
from infra.local.emulator_leftovers import EmulatorFailed
from infra.local.environment import FunctionCrashed
from infra.local.lock import AlreadyRunning
from infra.local.nursery import AppFailed
from infra.local.options import OptionError
from infra.local.ports import PortInUse
from infra.local.postgres_leftovers import PostgresFailed
from infra.local.schedule_expression import ScheduleError
from infra.local.supervisor import StackBroke, Supervisor
from infra.local.template import TemplateError

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
