"""A worker in a process of its own that does one chunk and sends itself a signal at a named point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.messages import ChunkMessage

STOP_SECONDS_MAX = 20


@contextmanager
def worker_process(message: ChunkMessage, point: str, number: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
    """Starts the worker and waits until the signal has hit it: it is dead (SIGKILL) or frozen (SIGSTOP)."""
    arguments = [str(message.import_id), str(message.chunk), str(message.attempt), point, str(int(number))]
    process = subprocess.Popen([sys.executable, "-m", "tests.integration.worker_process", *arguments])
    try:
        # WUNTRACED: also returns when the child is stopped.
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode in (None, -signal.SIGKILL), f"the worker ended before {point}"
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(STOP_SECONDS_MAX)


def thaw(process: subprocess.Popen[bytes]) -> int:
    """Lets a frozen worker go on, and waits for its end. Returns its exit status."""
    process.send_signal(signal.SIGCONT)
    return process.wait(STOP_SECONDS_MAX)


def main(import_id: str, chunk: str, attempt: str, point: str, number: str) -> None:
    """The worker itself."""
    import uuid

    from chalicelib.backends import connect
    from chalicelib.fault_points import switched_on
    from chalicelib.importing.upserting import upsert_chunk
    from chalicelib.settings import settings

    def reached(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), int(number))

    backends = connect(settings())
    with switched_on(reached):
        upsert_chunk(backends, ChunkMessage(import_id=uuid.UUID(import_id), chunk=int(chunk), attempt=int(attempt)))


if __name__ == "__main__":
    main(*sys.argv[1:])
