"""Ctrl-C in every command, and at every stage of one: one line and status 130, never a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import entry
from infra.project import ROOT

RUN_SECONDS_MAX = 60
ENV_CAN_BLOCK = subprocess.run(["env", "--block-signal=INT", "true"], capture_output=True, check=False).returncode == 0
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
OTHER_PYTHON = {"tests.fuzz.fuzz_boundaries"}
"""In an environment of its own; libFuzzer handles Ctrl-C."""
COMMANDS = [
    ("infra.local",),
    ("infra.local.client", "import", "none.csv"),
    ("infra.local.client", "demo"),
    ("infra.local.client", "psql"),
    ("infra.local.s3_sqs.installation",),
    ("infra.tokens", "list"),
    ("infra.compose", "up"),
    ("infra.deploy.packaging", "dev"),
    ("infra.deploy.deployment", "deploy", "dev"),
    ("infra.deploy.deployment", "destroy", "dev"),
    ("infra.deploy.dependencies",),
    ("infra.supply.locks",),
    ("infra.supply.update",),
    ("infra.supply.audit",),
    ("infra.local.processes.lock", "none"),
]
FOREIGN = [("tests.benchmark",), ("tests.mutation.mutate", "none"), ("tests.contract",), ("pytest", "--version")]
IMPORTS = (1, 10)
"""Ctrl-C comes at the import with this number, counted from the first one at which the project's code can handle it."""
INTERRUPT_AT_IMPORT = """
import os, signal, sys
count = 0
def hook(event, arguments):
    global count
    if event == "import" and "infra" in sys.modules and signal.getsignal(signal.SIGINT).__module__ == "infra.entry":
        count += 1
        if count == int(os.environ["INTERRUPT_AT"]):
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with these arguments."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )


def script(body: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that consists of these lines."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    source = "import os, signal\nfrom infra import entry\n"
    return run("-c", f"{source}def main(_):\n{lines}\nentry.run(main)")


SIGINT = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize("at", IMPORTS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_while_modules_are_imported_prints_one_line(tmp_path: Path, command: tuple[str, ...], at: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT_AT_IMPORT)
    ended = run("-m", *command, PYTHONPATH=str(tmp_path), DATA_DIR=str(tmp_path / "none"), INTERRUPT_AT=str(at))
    assert (ended.returncode, ended.stdout, ended.stderr) == (entry.INTERRUPTED, "", f"{entry.NOTHING_STARTED}\n")


@pytest.mark.parametrize("at", IMPORTS)
@pytest.mark.parametrize("command", FOREIGN, ids=" ".join)
def test_ctrl_c_while_other_programs_are_imported_prints_one_line(
    tmp_path: Path, command: tuple[str, ...], at: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT_AT_IMPORT)
    ended = run("-m", "infra", *command, PYTHONPATH=str(tmp_path), INTERRUPT_AT=str(at))
    assert (ended.returncode, ended.stdout) == (entry.INTERRUPTED, "")
    assert ended.stderr in {f"{entry.NOTHING_STARTED}\n", "Interrupted.\n"}


@pytest.mark.parametrize("moment_ms", [0, 1, 2, 4, 8, 16, 32, 64])
def test_ctrl_c_while_python_starts_is_held_back_until_it_can_be_handled(moment_ms: int) -> None:
    """The signal is blocked as `env --block-signal=INT` blocks it. Whenever it comes, the end is the same."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.client", "import", "none.csv"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(moment_ms / 1000)
        process.send_signal(signal.SIGINT)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _, printed = process.communicate(timeout=RUN_SECONDS_MAX)
    assert (process.returncode, printed) == (entry.INTERRUPTED, f"{entry.NOTHING_STARTED}\n")


@pytest.mark.skipif(not ENV_CAN_BLOCK, reason="env cannot block signals")
def test_make_blocks_ctrl_c_while_python_starts() -> None:
    ran = subprocess.run(["make", "-n", "tokens", "run", "bench"], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = [line for line in ran.stdout.splitlines() if "-m infra" in line]
    assert len(commands) >= 3
    assert all("env --block-signal=INT .venv/bin/python -m infra" in command for command in commands)


def test_every_command_of_the_makefile_handles_ctrl_c() -> None:
    modules = re.findall(r"(?:\$\(RUN\)|(?:python|\$\(PYTHON\)) -m) ((?:infra )?[\w.]+)", MAKEFILE)
    assert len(modules) > 20
    for module in set(modules) - OTHER_PYTHON - {"venv", "pip"}:
        if not module.startswith("infra "):
            path = ROOT / module.replace(".", "/")
            source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8")
            assert source.endswith('if __name__ == "__main__":\n    entry.run(main)\n'), module
    assert {command[0] for command in COMMANDS} == {module for module in modules if module.startswith("infra.")}
    assert {f"infra {command[0]}" for command in FOREIGN} == {each for each in modules if each.startswith("infra ")}


def test_a_command_that_is_interrupted_prints_what_it_knows() -> None:
    ended = script(
        f"try:\n    {SIGINT}\nexcept KeyboardInterrupt:\n    raise entry.Interrupted('It continues.') from None"
    )
    assert (ended.returncode, ended.stderr) == (entry.INTERRUPTED, "Interrupted. It continues.\n")


def test_a_command_that_knows_nothing_is_interrupted() -> None:
    ended = script(SIGINT)
    assert (ended.returncode, ended.stderr) == (entry.INTERRUPTED, "Interrupted.\n")


def test_the_second_ctrl_c_ends_a_clean_up_that_takes_too_long() -> None:
    ended = script(f"try:\n    {SIGINT}\nfinally:\n    {SIGINT}\n    print('cleaned up')")
    assert (ended.returncode, ended.stdout) == (entry.INTERRUPTED, "")
    assert ended.stderr == "Interrupted again: ended without cleaning up.\n"


def test_ctrl_c_after_the_end_of_a_command_is_silent() -> None:
    ended = script(f"import atexit\natexit.register(lambda: {SIGINT})\nprint('done')\nreturn 3")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\n", "")


def test_ctrl_c_inside_a_destructor_ends_the_command_too() -> None:
    ended = script(f"class Thing:\n    def __del__(self):\n        {SIGINT}\nThing()\nprint('went on')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (entry.INTERRUPTED, "", "Interrupted.\n")


def test_other_errors_of_destructors_are_shown_as_always() -> None:
    ended = script("class Thing:\n    def __del__(self):\n        raise ValueError('a bug')\nThing()\nreturn 0")
    assert (ended.returncode, "ValueError: a bug" in ended.stderr) == (0, True)


def test_a_command_in_the_background_of_a_shell_still_ignores_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = script(f"{SIGINT}\nprint('went on')\nreturn 0")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.returncode, ended.stdout) == (0, "went on\n")


def test_a_program_outside_of_the_package_gets_its_arguments_and_keeps_its_status() -> None:
    ended = run("-m", "infra", "pytest", "--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("pytest ")
    assert run("-m", "infra", "tests.mutation.mutate", "none").returncode == 2
