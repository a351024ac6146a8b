"""The zygote, seen from the supervisor: gives birth to execution environments, and ends them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from infra.local.lambda_.execution_environment import Environment, FunctionCrashed
from infra.local.lambda_.triggers import Function, Wiring
from infra.local.processes.logbook import LogBook
from infra.project import ROOT

IMPORT_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 5.0
LOG_NAME = "functions"


class AppFailed(Exception):
    """The application could not be imported; the message holds the traceback."""


class Nursery:
    """One zygote, with the application imported or on its way."""

    def __init__(self, project: Path, stage: str, environment: Mapping[str, str], logbook: LogBook) -> None:
        self.logbook = logbook
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
        """What the application has wired; waits until it is imported. Raises AppFailed."""
        if self._wiring is None:
            self._wiring = self._read_report()
        return self._wiring

    def bear(self, function: Function) -> Environment:
        """A new execution environment. Raises FunctionCrashed when it does not come up."""
        ours, theirs = socket.socketpair()
        output = self.logbook.pipe(function.name)
        request = {"spawn": function.name, "name": f"{self.wiring.app_name}-local-{function.name}"}
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno(), output.fileno()])
        except OSError as error:
            ours.close()
            raise FunctionCrashed(f"{function.name}: no process to run it: {error}") from None
        finally:
            theirs.close()
            output.close()
        return Environment(function, Connection(ours.detach()), self.kill)

    def kill(self, pid: int) -> None:
        """Ends an environment's process, if it still runs."""
        try:
            self._control.send(json.dumps({"kill": pid}).encode())
        except OSError:
            # The zygote is gone, and with its line all its children.
            return

    def stop(self) -> None:
        """Ends every environment. May be called again."""
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
            raise AppFailed(f"the application cannot be imported ({status}):\n{self.logbook.tail(LOG_NAME)}")
        return Wiring.from_json(report)


def _process_environment(functions: Mapping[str, str]) -> dict[str, str]:
    """What every process needs, and what the functions are given. Nothing of the developer's own environment."""
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
