"""Every error of the local stack that its user can do something about.

    StackError
    ├── AlreadyRunning       another stack uses this data directory
    ├── PortInUse            another program uses the port
    ├── OptionError          an environment variable
    ├── AppFailed            app.py cannot be imported
    ├── UnknownTrigger       app.py has a trigger that the local stack does not support
    ├── ScheduleError        app.py has a schedule that the local stack does not support
    ├── TemplateError        infra/resources.yml
    ├── MigrationFailed      the database's schema
    ├── PostgresFailed       the database server
    ├── EmulatorFailed       the emulator of S3 and SQS
    ├── InstallationFailed   pip
    ├── StackBroke           a process that the stack cannot do without has ended
    ├── StackNotRunning      a client finds no stack
    ├── FunctionFailed       an invocation failed
    │   ├── FunctionRaised
    │   ├── FunctionTimedOut
    │   └── FunctionCrashed
    ├── ApiError             (client/http.py) the API refused a request or did not answer
    └── FileUnusable         (client/product_file.py) the file to import is missing, empty, unreadable or changing

Commands print its message without a traceback: what happened, to which thing, and what to do now. Any other exception
is a bug in the local stack.
"""

from __future__ import annotations


class StackError(Exception):
    """The base of all of them."""


class AlreadyRunning(StackError):
    """Another stack uses this data directory; the message names it."""


class PortInUse(StackError):
    """Another program listens on the port of the web page."""


class OptionError(StackError):
    """An environment variable has a value that cannot be used; the message names it."""


class AppFailed(StackError):
    """The application cannot be imported; the message holds the traceback."""


class UnknownTrigger(StackError):
    """The application has a trigger that the local stack does not support."""


class ScheduleError(StackError):
    """A schedule's expression is not one that the local stack supports."""


class TemplateError(StackError):
    """The template uses something that the local stack does not support, or a parameter has no usable value."""


class MigrationFailed(StackError):
    """The schema of the database cannot be brought up to date."""


class PostgresFailed(StackError):
    """PostgreSQL cannot be started, reached or stopped."""


class EmulatorFailed(StackError):
    """The emulator of S3 and SQS cannot be started, reached or stopped."""


class InstallationFailed(StackError):
    """pip cannot install an emulator; the message ends with pip's last lines."""


class StackBroke(StackError):
    """A process that the stack cannot do without has ended."""


class StackNotRunning(StackError):
    """No stack runs on this data directory; the message says how to start one."""


class FunctionFailed(StackError):
    """A function did not return a result. The message goes to its log."""


class FunctionRaised(FunctionFailed):
    """The function raised an exception."""


class FunctionTimedOut(FunctionFailed):
    """The function ran longer than its time-out, and was killed."""


class FunctionCrashed(FunctionFailed):
    """The function's process ended before it returned."""
