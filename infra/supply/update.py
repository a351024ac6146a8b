"""Updates everything that is pinned: `make update`. Review the changes, run `make check test`, then commit them.

Each part is independent of the others. A part whose source cannot be reached stays as it is; the command says so, and
ends with status 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

from infra import entry
from infra.deploy import rds_authorities
from infra.project import ROOT
from infra.supply import images, locks

NPM_SECONDS_MAX = 600.0


class UpdateFailed(Exception):
    """A part could not be updated. The message says why."""


def npm() -> None:
    """Chooses the newest version of each tool in package.json, and locks what they need. Raises UpdateFailed."""
    tools = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    command = ["npm", "install", "--package-lock-only", "--save-dev", *(f"{tool}@latest" for tool in tools)]
    try:
        finished = subprocess.run(  # noqa: S603  our own command
            command, cwd=ROOT, capture_output=True, text=True, timeout=NPM_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UpdateFailed(str(error)) from error
    if finished.returncode:
        raise UpdateFailed(finished.stderr.strip())


def authorities() -> None:
    """Renews the certificate authorities of RDS from AWS's bundle. Raises UpdateFailed."""
    if rds_authorities.main([]):
        raise UpdateFailed("the message above says why")


PARTS: Mapping[str, Callable[[], None]] = {
    "requirements.txt, pyproject.toml, locks/": locks.renew,
    "package.json, package-lock.json": npm,
    "docker-compose.yml": images.renew,
    "chalicelib/backends/rds-authorities.pem": authorities,
}


def main(_arguments: list[str]) -> int:
    """Updates every part. Returns the exit status."""
    failed = False
    for files, update in PARTS.items():
        try:
            update()
        except (locks.LockingFailed, images.ImageUnknown, UpdateFailed) as error:
            failed = True
            sys.stderr.write(f"NOT UPDATED: {files}: {error}\n")
        else:
            sys.stdout.write(f"Updated: {files}\n")
            sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    entry.run(main)
