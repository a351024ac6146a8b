"""Installs emulators in virtual environments of their own, because their dependencies conflict with ours.

    python -m infra.local.s3_sqs.installation [NAME]

installs the emulator with this name, or the one in EMULATOR. The default is LocalStack; where that cannot be installed
(it does not support every version of Python), a message says so, and ministack is installed. A stamp in the environment
says what was installed, so the next run does nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra import entry
from infra.local.errors import InstallationFailed, StackError
from infra.local.options import chosen_emulator
from infra.project import ROOT
from infra.supply import platforms

PIP_SECONDS_MAX = 900.0
STAMP = "installed.txt"
FAILURE_LINES = 5


@dataclass(frozen=True)
class Distribution:
    """An emulator as pip installs it: everything in the lock with its name."""

    name: str
    python_before: tuple[int, int] | None = None
    """The first Python version that the emulator does not support."""

    @property
    def directory(self) -> Path:
        """Its virtual environment."""
        return ROOT / f".venv-{self.name}"

    @property
    def lock(self) -> Path:
        """The file with the exact versions of everything that is installed, and with their hashes."""
        return ROOT / "locks" / f"{self.name}.txt"

    @property
    def python(self) -> Path:
        """The interpreter to run it with."""
        return self.directory / "bin" / "python"

    def fingerprint(self) -> str:
        """Identifies what would be installed: changes when any version changes."""
        locked = hashlib.sha256(self.lock.read_bytes()).hexdigest()
        return f"{self.name} {locked} {sys.version_info.major}.{sys.version_info.minor}\n"

    def is_installed(self) -> bool:
        """Whether exactly these versions are installed."""
        stamp = self.directory / STAMP
        return stamp.exists() and stamp.read_text("utf-8") == self.fingerprint()


LOCALSTACK, MINISTACK, MINISTACK_CLOUD = (
    Distribution(name, platforms.python_before(name)) for name in ("localstack", "ministack", "ministack-cloud")
)
"""The last one is the emulator for `make cloud-test`."""
BY_NAME = {distribution.name: distribution for distribution in (LOCALSTACK, MINISTACK, MINISTACK_CLOUD)}


def main(arguments: Sequence[str] = ()) -> int:
    """Installs the emulator that is named or chosen. Returns the exit status."""
    if len(arguments) > 1 or any(name not in BY_NAME for name in arguments):
        sys.stderr.write(f"The name of an emulator must be one of {', '.join(BY_NAME)}, not {' '.join(arguments)!r}\n")
        return 2
    try:
        choice = arguments[0] if arguments else chosen_emulator(os.environ)
        if choice is None:
            _install_best()
        elif choice in BY_NAME:
            install(BY_NAME[choice])
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def installed() -> Distribution | None:
    """The emulator to use when none was chosen: LocalStack if it is installed, else ministack, else None."""
    return next((distribution for distribution in (LOCALSTACK, MINISTACK) if distribution.is_installed()), None)


def install(distribution: Distribution) -> None:
    """Installs an emulator, unless it is installed already. Raises InstallationFailed."""
    if distribution.is_installed():
        return
    _check_python(distribution)
    sys.stdout.write(f"Installing {distribution.name} into {distribution.directory.name}/\n")
    sys.stdout.flush()
    shutil.rmtree(distribution.directory, ignore_errors=True)
    venv.create(distribution.directory, with_pip=True)
    _pip_install(distribution)
    (distribution.directory / STAMP).write_text(distribution.fingerprint(), "utf-8")


def _check_python(distribution: Distribution) -> None:
    version, before = sys.version_info[:2], distribution.python_before
    if before is not None and version >= before:
        raise InstallationFailed(
            f"{distribution.name} does not support Python {version[0]}.{version[1]}. To use it, choose an older one: "
            f"rm -r .venv; make PYTHON=python{before[0]}.{before[1] - 1} …"
        )


def _install_best() -> None:
    # If LocalStack failed once and ministack is installed, do not try LocalStack again at every start.
    if installed() is not None:
        return
    try:
        install(LOCALSTACK)
    except InstallationFailed as error:
        sys.stderr.write(f"{error}\nLocalStack cannot be installed: using ministack instead (EMULATOR=ministack)\n")
        install(MINISTACK)


def _pip_install(distribution: Distribution) -> None:
    command: list[str | Path] = [distribution.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--requirement", distribution.lock]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise InstallationFailed(f"{distribution.name}: pip took longer than {PIP_SECONDS_MAX:g} s") from None
    if finished.returncode != 0:
        reason = "\n".join(finished.stderr.strip().splitlines()[-FAILURE_LINES:])
        raise InstallationFailed(f"{distribution.name} could not be installed:\n{reason}")


if __name__ == "__main__":
    entry.run(main)
