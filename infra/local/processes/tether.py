"""Holds one program on a line: when the stack lets go of the line, the program is stopped.

    python tether.py --signal INT --grace 10 -- program argument …

The other end of standard input is held by the supervisor. The kernel closes it when the supervisor ends, by whatever
means, `kill -9` included; so nothing that the stack has started can outlive it for long. On end of file, or on a
SIGTERM of its own, the tether sends the program the given signal, waits, and then kills its process group.

Runs as a bare script (python -S -E): it must start in no time and stay small. It exits as the program did.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading

LINE = 0  # standard input
SIGNALS_FOR_US = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Runs the program until it ends or the line does. Returns the exit status to use."""
    options = _parse(arguments)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    for number in SIGNALS_FOR_US:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake_write)

    # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which stops things in order.
    program = subprocess.Popen(
        options.program,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=options.user,
        group=options.group,
        extra_groups=[] if options.user else None,
    )
    ended_read, ended_write = os.pipe()
    threading.Thread(target=_announce_end, args=(program, ended_write), daemon=True).start()

    ready, _, _ = select.select([LINE, wake_read, ended_read], [], [])
    if ended_read not in ready:
        _stop(program, options.signal, options.grace)
    return _exit_status(program.wait())


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", type=lambda name: signal.Signals[f"SIG{name}"], default=signal.SIGTERM)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--user")
    parser.add_argument("--group", type=int)
    parser.add_argument("program", nargs="+")
    return parser.parse_args(arguments)


def _announce_end(program: subprocess.Popen[bytes], announcement: int) -> None:
    program.wait()
    os.write(announcement, b".")


def _stop(program: subprocess.Popen[bytes], number: signal.Signals, grace_seconds: float) -> None:
    program.send_signal(number)
    try:
        program.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # Whatever it had started and not ended itself.
        os.killpg(program.pid, signal.SIGKILL)


def _exit_status(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
