"""`make run` as a person uses it: started, stopped in every possible way, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from infra.local import stack_file
from infra.local.postgres.keeper import RESTARTS_MAX
from infra.local.processes.deadline import wait_until
from infra.local.processes.ports import LOOPBACK, free_port, is_free
from infra.local.stack_file import StackFile
from infra.local.testing import READY_PREFIX, clean_environment, read_until, start_process

EXIT_SECONDS_MAX = 30.0
GONE_SECONDS_MAX = 30.0
RESPONSE_SECONDS_MAX = 10.0


@dataclass
class Run:
    """One `make run`."""

    make: subprocess.Popen[str]
    port: int
    directory: Path
    output: list[str] = field(default_factory=list)

    @property
    def stack(self) -> StackFile:
        """The file that the stack writes for its clients."""
        return stack_file.read(self.directory)

    def processes(self) -> list[psutil.Process]:
        """make and every process below it."""
        make = psutil.Process(self.make.pid)
        return [make, *make.children(recursive=True)]

    def postmaster(self) -> psutil.Process:
        """PostgreSQL's main process, the child of its tether."""
        return psutil.Process(self.stack.pids["postgres"]).children()[0]

    def finish(self) -> int:
        """Waits until make ends; returns its exit status."""
        output, _ = self.make.communicate(timeout=EXIT_SECONDS_MAX)
        self.output += output.splitlines()
        return self.make.returncode


@contextmanager
def make_run(directory: Path, port: int, *, ready: bool = True, **environment: str) -> Iterator[Run]:
    """Runs the command; kills whatever a failing test leaves running."""
    variables = {**clean_environment(), **environment, "PORT": str(port), "DATA_DIR": str(directory)}
    run = Run(start_process(["make", "run"], variables), port, directory)
    try:
        if ready:
            read_until(run.make, READY_PREFIX, run.output, directory)
        yield run
    finally:
        if run.make.poll() is None:
            processes = run.processes()
            # make and the supervisor; all others must end by themselves, as always.
            for process in [processes[0], *processes[0].children()]:
                process.kill()
            assert_nothing_is_left(processes, [])
        if run.make.stdout is not None and not run.make.stdout.closed:
            run.finish()


def assert_nothing_is_left(processes: list[psutil.Process], ports: list[int]) -> None:
    """Waits until no process is alive, then checks that all ports are free."""
    wait_until(
        lambda: not [process for process in processes if _is_alive(process)],
        GONE_SECONDS_MAX,
        "all processes gone",
    )
    assert [port for port in ports if not is_free(port)] == []


def _is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. Looks only once: between two looks it could end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ports_of(stack: StackFile, port: int) -> list[int]:
    """The ports of the stack."""
    assert stack.emulator_port is not None
    return [port, stack.postgres_port, stack.emulator_port]


def health(run: Run) -> int:
    """The status of the API's health page."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{run.stack.url}/api/health", timeout=RESPONSE_SECONDS_MAX).status_code


def test_sigterm_to_make_stops_everything_and_products_survive(tmp_path: Path) -> None:
    port = free_port()
    with make_run(tmp_path, port) as run:
        processes, stack = run.processes(), run.stack
        names = {process.name() for process in processes}
        assert "postgres" in names
        assert run.output[-1].startswith(f"Ready: http://127.0.0.1:{port}/#token=")
        assert health(run) == 200
        for secret in ("stack.json", "passwords.json"):
            assert (tmp_path / secret).stat().st_mode & 0o777 == 0o600
        with psycopg.connect(stack.owner_conninfo) as connection:
            connection.execute("create table survivor as select 42 as answer")
        run.make.send_signal(signal.SIGTERM)
        run.finish()
        assert_nothing_is_left(processes, ports_of(stack, port))
        assert not (tmp_path / "stack.json").exists()
        assert stack.token not in "".join(log.read_text() for log in (tmp_path / "logs").iterdir())
    with make_run(tmp_path, port) as run, psycopg.connect(run.stack.owner_conninfo) as connection:
        assert connection.execute("select answer from survivor").fetchone() == (42,)
        assert not any("migration" in line or "Creating" in line for line in run.output)
        assert run.stack.token != stack.token


@pytest.mark.parametrize("victim", ["supervisor", "make"])
def test_kill_9_ends_every_process_and_the_next_start_recovers(tmp_path: Path, victim: str) -> None:
    port = free_port()
    with make_run(tmp_path, port) as run:
        processes, stack = run.processes(), run.stack
        with psycopg.connect(stack.owner_conninfo) as connection:
            connection.execute("create table survivor as select 42 as answer")
        os.kill(stack.pid if victim == "supervisor" else run.make.pid, signal.SIGKILL)
        assert_nothing_is_left(processes, ports_of(stack, port))
    with make_run(tmp_path, port) as run, psycopg.connect(run.stack.owner_conninfo) as connection:
        assert connection.execute("select answer from survivor").fetchone() == (42,)


def test_ctrl_c_before_the_stack_is_ready_ends_with_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port(), ready=False) as run:
        read_until(run.make, "Creating the PostgreSQL cluster", run.output, tmp_path)
        processes = run.processes()
        os.killpg(run.make.pid, signal.SIGINT)
        run.finish()
        printed = [line for line in run.output if not line.startswith("make:")]
        assert printed[-1] == "Interrupted. The stack was stopped before it was ready."
        assert not any("Traceback" in line for line in printed)
        assert_nothing_is_left(processes, [run.port])


def test_an_orphaned_postmaster_is_stopped_first(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port()) as run:
        # The worst case: both the supervisor and PostgreSQL's tether are killed.
        postmaster = run.postmaster()
        for pid in (run.stack.pids["postgres"], run.stack.pid):
            os.kill(pid, signal.SIGKILL)
        run.finish()
        assert postmaster.is_running()
    with make_run(tmp_path, free_port()) as run:
        assert not postmaster.is_running()
        assert any("PostgreSQL was left running" in line for line in run.output)
        assert health(run) == 200


def test_an_orphaned_emulator_is_killed_first(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port()) as run:
        emulator = psutil.Process(run.stack.pids["emulator"]).children()[0]
        for pid in (run.stack.pids["emulator"], run.stack.pid):
            os.kill(pid, signal.SIGKILL)
        run.finish()
        assert emulator.is_running()
        port = run.stack.emulator_port
    with make_run(tmp_path, free_port()) as run:
        assert not emulator.is_running()
        assert any("emulator of S3 and SQS was left running" in line for line in run.output)
        assert run.stack.emulator_port == port, "the port is used again"
        assert health(run) == 200


def test_two_stacks_run_side_by_side_and_conflicts_are_clear_errors(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    with ExitStack() as stacks:
        first = stacks.enter_context(make_run(one, free_port()))
        second = stacks.enter_context(make_run(two, free_port(), API_TOKEN="a-token-of-my-own-choice"))
        assert second.output[-1].endswith("#token=a-token-of-my-own-choice")
        assert set(ports_of(first.stack, first.port)).isdisjoint(ports_of(second.stack, second.port))

        with make_run(one, free_port(), ready=False) as refused:
            assert refused.finish() != 0
            output = "\n".join(refused.output)
            assert f"already running on {one}: process {first.stack.pid} at {first.stack.url}" in output
        with make_run(three, first.port, ready=False) as refused:
            assert refused.finish() != 0
            assert f"port {first.port} is in use" in "\n".join(refused.output)
            assert not (three / "postgres").exists()

        first.make.send_signal(signal.SIGTERM)
        first.finish()
        assert health(second) == 200


@pytest.mark.parametrize(
    ("victim", "number"),
    [("server", signal.SIGKILL), ("server", signal.SIGQUIT), ("tether", signal.SIGKILL)],
)
def test_a_database_that_dies_is_restarted_on_the_same_port_and_data(
    tmp_path: Path, victim: str, number: signal.Signals
) -> None:
    with make_run(tmp_path, free_port()) as run:
        before = run.stack
        with psycopg.connect(before.owner_conninfo) as connection:
            connection.execute("create table survivor as select 42 as answer")
        (run.postmaster() if victim == "server" else psutil.Process(before.pids["postgres"])).send_signal(number)

        read_until(run.make, "PostgreSQL ended unexpectedly", run.output, tmp_path)
        read_until(run.make, "PostgreSQL answers again", run.output, tmp_path)
        # A function that held a connection may fail once; then it gets a new one.
        wait_until(lambda: health(run) == 200, RESPONSE_SECONDS_MAX, "the API on the new server")
        with psycopg.connect(before.owner_conninfo) as connection:
            assert connection.execute("select answer from survivor").fetchone() == (42,)
        assert run.stack.pids["postgres"] != before.pids["postgres"]
        assert (run.stack.pid, run.stack.token) == (before.pid, before.token)

        processes = run.processes()
        run.make.send_signal(signal.SIGTERM)
        run.finish()
        assert_nothing_is_left(processes, ports_of(before, run.port))


def test_a_database_that_keeps_dying_stops_the_stack_with_a_clear_error(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port()) as run:
        processes = run.processes()
        for _ in range(RESTARTS_MAX):
            run.postmaster().kill()
            read_until(run.make, "PostgreSQL answers again", run.output, tmp_path)
        run.postmaster().kill()
        assert run.finish() != 0
        expected = f"after {RESTARTS_MAX} restarts within 10 minutes, so the stack stops"
        assert any(expected in line for line in run.output)
        assert_nothing_is_left(processes, [run.port])


def test_a_port_in_use_is_detected_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with make_run(tmp_path, port, ready=False) as refused:
            assert refused.finish() != 0
        assert f"port {port} is in use by another program" in "\n".join(refused.output)
        assert not (tmp_path / "postgres").exists()
