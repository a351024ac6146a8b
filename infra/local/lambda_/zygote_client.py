"""The supervisor's side of the zygote: starts it, asks it to fork execution environments, and to end them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from infra.local.errors import AppFailed, FunctionCrashed
from infra.local.lambda_.execution_environment import ExecutionEnvironment
from infra.local.lambda_.triggers import Function, Wiring
from infra.local.processes.logbook import LogBook
from infra.project import ROOT

IMPORT_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 5.0
LOG_NAME = "functions"


class ZygoteClient:
    """One zygote, which has imported the application or is still importing it.

    `environment` has the variables of all functions; `own_environment` returns those of one function.
    """

    def __init__(
        self,
        project: Path,
        stage: str,
        environment: Mapping[str, str],
        logbook: LogBook,
        own_environment: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self.logbook = logbook
        self._own_environment = own_environment
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        line_read, self._line = os.pipe()
        self._report, report_write = os.pipe()
        given = (theirs.fileno(), line_read, report_write)
        output = logbook.pipe(LOG_NAME)
        command = [sys.executable, "-m", "infra.local.lambda_.zygote", str(project), stage, *map(str, given)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_process_environment(environment),
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        output.close()
        theirs.close()
        os.close(line_read)
        os.close(report_write)
        self._wiring: Wiring | None = None
        self._stopped = False

    @property
    def wiring(self) -> Wiring:
        """The triggers of the application; waits until it is imported. Raises AppFailed."""
        if self._wiring is None:
            self._wiring = self._read_report()
        return self._wiring

    def spawn(self, function: Function) -> ExecutionEnvironment:
        """Starts an execution environment. Raises FunctionCrashed when it does not come up."""
        ours, theirs = socket.socketpair()
        output = self.logbook.pipe(function.name)
        request = {"spawn": function.name, "name": f"{self.wiring.app_name}-local-{function.name}"}
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno(), output.fileno()])
        except OSError as error:
            ours.close()
            raise FunctionCrashed(f"{function.name}: cannot start a process for it: {error}") from None
        finally:
            theirs.close()
            output.close()
        connection = Connection(ours.detach())
        # Not by way of the zygote: its memory is passed on to every function that it forks later.
        return ExecutionEnvironment(function, connection, self.kill, self._own_environment(function.name))

    def kill(self, pid: int) -> None:
        """Ends an environment's process, if it still runs."""
        try:
            self._control.send(json.dumps({"kill": pid}).encode())
        except OSError:
            # The zygote is gone, and all its children with it.
            return

    def stop(self) -> None:
        """Ends the zygote and every environment. May be called twice."""
        if self._stopped:
            return
        self._stopped = True
        os.close(self._line)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._control.close()

    def _read_report(self) -> Wiring:
        watchdog = threading.Timer(IMPORT_SECONDS_MAX, self.process.kill)
        watchdog.start()
        with os.fdopen(self._report, encoding="utf-8") as pipe:
            report = pipe.read()
        watchdog.cancel()
        if not report:
            status = self.process.wait()
            raise AppFailed(f"app.py cannot be imported (exit status {status}):\n{self.logbook.tail(LOG_NAME)}")
        return Wiring.from_json(report)


def _process_environment(functions: Mapping[str, str]) -> dict[str, str]:
    """What every process needs, and the variables of the functions; nothing of the developer's own environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONUNBUFFERED": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **functions,
    }
