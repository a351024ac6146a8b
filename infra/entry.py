"""The start and the end of every command. Ctrl-C ends a command with one line and status 130, never with a traceback.

Imports as little as possible, because Ctrl-C cannot be handled before this module is imported.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells report it: 128 and the number of the signal."""
NOTHING_STARTED = "Interrupted before anything was started."


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and what the user has to know: what was not done, and what continues."""


def end_at_once_when_interrupted() -> None:
    """Ends the process on Ctrl-C. For the time when modules are imported: nothing has begun that must be cleaned up."""
    _on_interrupt(lambda *_: _end(NOTHING_STARTED))


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Runs a command with the arguments of this process, and ends the process with the status that it returns.

    The first Ctrl-C raises KeyboardInterrupt in the command, which may raise Interrupted instead. During the clean-up
    that follows, another Ctrl-C ends the process at once.
    """
    sys.unraisablehook = _unraisable
    try:
        _on_interrupt(_interrupt)
        status = main(sys.argv[1:])
        sys.stdout.flush()
        # The command is done. From here on there is nothing left to interrupt but Python's own shutdown.
        _on_interrupt(lambda *_: os._exit(status))
    except KeyboardInterrupt as interruption:
        _print(f"Interrupted. {interruption}".rstrip())
        sys.exit(INTERRUPTED)
    sys.exit(status)


def _interrupt(*_: int | FrameType | None) -> NoReturn:
    _on_interrupt(lambda *_: _end("Interrupted again: ended without cleaning up."))
    raise KeyboardInterrupt


def _on_interrupt(handle: Callable[[int, FrameType | None], Any]) -> None:
    """Sets the handler, unless the parent process has chosen that Ctrl-C is ignored, as shells do for `command &`."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handle)


def _unraisable(unraisable: Any) -> None:
    """Python only prints an exception in a destructor. If that is our KeyboardInterrupt, the command must end here."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _end("Interrupted.")
    sys.__unraisablehook__(unraisable)


def _end(line: str) -> NoReturn:
    _print(line)
    os._exit(INTERRUPTED)


def _print(line: str) -> None:
    """Writes past sys.stderr, which may be in the middle of a write. On a terminal, the line starts after the ^C."""
    start = "\n" if os.isatty(2) else ""
    os.write(2, f"{start}{line}\n".encode())
