"""Finds a Chromium for the tests of the page. Installs one where it can; otherwise says how to.

    python -m tests.browser.chromium

prints its path. Installing works as root on Debian and Ubuntu.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from infra.local.processes.lock import machine_lock

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL_SECONDS_MAX = 600.0
COMMANDS = (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"])
HELP = (
    "The tests of the web page need Chromium or Google Chrome. On Debian and Ubuntu: `sudo apt-get install chromium`; "
    "on Fedora: `sudo dnf install chromium`; on macOS: `brew install --cask google-chrome`, then put it on the PATH or "
    "set CHROMIUM=/path/to/chrome. Without a browser: `BROWSER_TESTS=skip make test`."
)

Which = Callable[[str], "str | None"]


class NoBrowser(Exception):
    """No browser was found or could be installed. The message says what to do."""


def executable(which: Which = shutil.which) -> str:
    """The path of a browser: CHROMIUM, one on the PATH, or one installed now. Raises NoBrowser when there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    if found := _installed(which):
        return found
    if os.geteuid() == 0 and which("apt-get"):
        with machine_lock():
            # Another test process may have installed it in the meantime.
            if not _installed(which):
                _install()
        if found := _installed(which):
            return found
    raise NoBrowser(HELP)


def _installed(which: Which) -> str | None:
    return next((path for name in NAMES if (path := which(name))), None)


def _install() -> None:
    for command in COMMANDS:
        sys.stderr.write(f"No browser is installed: {' '.join(command)}\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        finished = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
        if finished.returncode != 0:
            error_lines = "\n".join(finished.stderr.strip().splitlines()[-5:])
            raise NoBrowser(f"{' '.join(command)} failed:\n{error_lines}\n{HELP}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{executable()}\n")
    except NoBrowser as error:
        sys.exit(str(error))
