"""A Chromium for the tests of the page: the one that is installed, or one that is installed now, or words that help.

    python -m tests.browser.chromium

installs it where that is possible: as root on Debian or Ubuntu.
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
    """There is no browser, and none could be installed; the message says what to do."""


def executable(which: Which = shutil.which) -> str:
    """The path of a browser: CHROMIUM, one on the PATH, or one that is installed now. Raises NoBrowser."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    if found := _installed(which):
        return found
    if os.geteuid() == 0 and which("apt-get"):
        with machine_lock():
            # Another process of the tests may have installed it meanwhile.
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
            last_words = "\n".join(finished.stderr.strip().splitlines()[-5:])
            raise NoBrowser(f"{' '.join(command)} failed:\n{last_words}\n{HELP}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{executable()}\n")
    except NoBrowser as error:
        sys.exit(str(error))
