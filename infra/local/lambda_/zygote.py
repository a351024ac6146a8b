"""The process that imports the application once and forks an execution environment whenever one is needed.

    python -m infra.local.lambda_.zygote <project> <stage> <control> <line> <wiring>

The last three are inherited file descriptors: a datagram socket for requests, the reading end of the stack's line, and
a pipe for the wiring. A fork takes milliseconds where a fresh interpreter takes a second. The zygote does nothing but
wait, so it is always there to end its children: on request, and all of them when the line breaks.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from infra.local.lambda_ import triggers, worker
from infra.local.lambda_.triggers import Wiring

REQUEST_BYTES_MAX = 4096
DESCRIPTORS_PER_REQUEST = 2
STDIN, STDOUT, STDERR = 0, 1, 2


def main(arguments: list[str]) -> None:
    """Imports the application, reports its wiring, and serves requests until the line breaks."""
    project, stage = Path(arguments[0]), arguments[1]
    control, line, report = (int(number) for number in arguments[2:])
    os.chdir(project)
    sys.path.insert(0, str(project))
    worker.configure_logging()
    app = importlib.import_module("app").app
    read = triggers.read(app, triggers.chalice_config(project, stage))
    if any(function.name == triggers.API_FUNCTION for function in read.functions):
        importlib.import_module(triggers.API_HANDLER.rpartition(".")[0])
    with os.fdopen(report, "w", encoding="utf-8") as pipe:
        pipe.write(read.to_json())
    # Children share these pages as long as the collector does not touch them.
    gc.freeze()
    Zygote(read, socket.socket(fileno=control), line).serve()


class Zygote:
    """Forks, and reaps."""

    def __init__(self, read: Wiring, control: socket.socket, line: int) -> None:
        self._wiring = read
        self._control = control
        self._line = line
        self._children: set[int] = set()
        self._signals_read, self._signals_write = os.pipe()

    def serve(self) -> None:
        """Serves until the line breaks, then ends every child."""
        os.set_blocking(self._signals_read, False)
        os.set_blocking(self._signals_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._signals_write, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._control.fileno(), self._line, self._signals_read):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._line in ready:
                    break
                if self._signals_read in ready:
                    self._reap()
                if self._control.fileno() in ready:
                    self._handle_request(selector)
        for pid in self._children:
            _kill(pid)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _handle_request(self, selector: selectors.BaseSelector) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._control, REQUEST_BYTES_MAX, DESCRIPTORS_PER_REQUEST)
        request = json.loads(message)
        if "kill" in request:
            # Only a child that was not reaped yet: its number cannot belong to another process.
            if request["kill"] in self._children:
                _kill(request["kill"])
            return
        connection, output = descriptors
        pid = os.fork()
        if pid == 0:
            selector.close()
            self._become_worker(request["spawn"], request["name"], connection, output)
        self._children.add(pid)
        os.close(connection)
        os.close(output)

    def _become_worker(self, function: str, full_name: str, connection: int, output: int) -> None:
        """Runs in the child, and never returns."""
        status = 1
        try:
            # A process group of its own: whatever the function starts is ended with it.
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._signals_read, self._signals_write):
                os.close(descriptor)
            self._control.close()
            os.dup2(output, STDOUT)
            os.dup2(output, STDERR)
            os.close(output)
            worker.run(self._wiring.function(function), full_name, Connection(connection), self._line)
            status = 0
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        except BaseException:  # noqa: BLE001  # nothing may unwind into the zygote's own stack
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._signals_read, REQUEST_BYTES_MAX):
                pass
        while self._children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)


def _kill(pid: int) -> None:
    """Ends a worker and what it has started. It may not have made its group yet: then itself alone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
