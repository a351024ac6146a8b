"""Updates everything that is pinned: `make update`. Review the changes, run `make check test`, then commit them.

Each part is independent of the others. A part whose source cannot be reached stays as it is; the command says so, and
ends with status 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from infra import entry
from infra.deploy import rds_authorities
from infra.project import ROOT
from infra.supply import images, locks, whole

NPM_SECONDS_MAX = 600.0


class UpdateFailed(Exception):
    """A part could not be updated. The message says why."""


def npm() -> None:
    """Chooses the newest version of each tool in package.json that is old enough, and locks what they need.

    It is `locks.AGE`. Raises UpdateFailed, and then changes nothing: no tool gets an older version than it has.
    """
    former = _tools()
    with whole.or_restored(ROOT / name for name in ("package.json", "package-lock.json")):
        _npm_install(f"{tool}@latest" for tool in former)
        for tool, version in _tools().items():
            if _order(version) < _order(former[tool]):
                raise UpdateFailed(f"{tool} {former[tool]} is too new to be chosen again: wait until it is a week old")


def _tools() -> dict[str, str]:
    tools: dict[str, str] = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    return tools


def _order(version: str) -> list[int]:
    return [int(number) for number in version.split("-")[0].split(".")]


def _npm_install(tools: Iterable[str]) -> None:
    # Not in .npmrc: there, `npm ci` would refuse a younger version that is locked already.
    age = f"--min-release-age={locks.AGE.removesuffix(' days')}"
    command = ["npm", "install", "--package-lock-only", "--save-dev", age, *tools]
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
