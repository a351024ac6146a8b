"""Locks: for each environment, the exact version of everything that it installs, and the hashes of the files.

    python -m infra.supply.locks

writes locks/*.txt after a change of requirements.txt or of [dependency-groups] in pyproject.toml. A version that still
fits stays; `make update` chooses new ones. One lock serves every supported version of Python, on Linux and macOS.

pip installs from a lock with --require-hashes: a file that is not the one that was locked is refused. The locks allow
wheels only, because building a source distribution downloads tools that no lock can name. The exception is dev-built.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from infra import entry
from infra.project import ROOT
from infra.supply import platforms, whole

DEPLOYED = ROOT / "requirements.txt"
PROJECT = ROOT / "pyproject.toml"
DIRECTORY = ROOT / "locks"
DEV, LAMBDA, BUILT = "dev", "lambda", "dev-built"
NOT_PACKAGED = "chalice"
"""Chalice adds its own modules to the package; the rest of it, and all that it needs, is for its command line."""
PYTHON_OLDEST = "3.11"
SECONDS_MAX = 600.0
OPTIONS = (
    *("--universal", "--python-version", PYTHON_OLDEST, "--no-python-downloads"),
    # One version for all versions of Python, so that what is tested is what is deployed.
    *("--fork-strategy", "fewest"),
    *("--generate-hashes", "--no-strip-extras", "--no-header", "--quiet"),
)
ONLY_WHEELS = ("--only-binary", ":all:", "--emit-build-options")
AGE = "7 days"
"""A version is chosen only this long after its release: malicious ones are usually withdrawn sooner."""
HEADER = "# Written by `make lock`, from these lines of requirements.txt and [dependency-groups] in pyproject.toml:"
SOURCE = "#   "
"""Comes before each of these lines in the header."""
_ENTRY = re.compile(r"^(?P<requirement>\w[^\s=]*(?: [^\s=]+)*==.+?)(?P<hashes>(?: \\\n +--hash=\S+)*)$", re.MULTILINE)
_HASH = re.compile(r"--hash=(\S+)")
_PIN = re.compile(r"(?P<name>\w[\w.-]*)(?P<extras>\[[^\]]*\])?==(?P<version>[\w.+!-]+)")
_HELD = re.compile(r"(\w[\w.-]*)(?:\[[^\]]*\])?==.*# held: ")


class LockingFailed(Exception):
    """uv could not write a lock. The message has its reason."""


@dataclass(frozen=True)
class Locked:
    """One distribution in a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]
    """Of every file that may be installed, each as algorithm:digest."""

    @property
    def name(self) -> str:
        """The normalised name."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The exact version."""
        (specifier,) = self.requirement.specifier
        return specifier.version


def path(name: str) -> Path:
    """Returns the path of a lock."""
    return DIRECTORY / f"{name}.txt"


def sources() -> dict[str, list[str]]:
    """Returns what each lock is written from, by the lock's name: the requirements that a person chose."""
    groups = tomllib.loads(PROJECT.read_text("utf-8"))["dependency-groups"]
    deployed = [line for line in DEPLOYED.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    packaged = [line for line in deployed if Requirement(line).name != NOT_PACKAGED]
    return {DEV: [*deployed, *groups.pop(DEV)], LAMBDA: packaged, **groups}


def read(name: str) -> dict[str, Locked]:
    """Returns the distributions in a lock, by normalised name."""
    found = [
        Locked(Requirement(match["requirement"]), tuple(_HASH.findall(match["hashes"])))
        for match in _ENTRY.finditer(path(name).read_text("utf-8"))
    ]
    return {each.name: each for each in found}


def written_from(name: str) -> list[str]:
    """Returns the requirements that a lock was written from, as its header has them."""
    lines = path(name).read_text("utf-8").splitlines()
    return [line.removeprefix(SOURCE) for line in lines if line.startswith(SOURCE)]


def write(name: str, requirements: Sequence[str], *options: str) -> None:
    """Writes a lock. Raises LockingFailed."""
    lock = path(name)
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-", *OPTIONS, *_options(name), *options]
    try:
        finished = subprocess.run(  # noqa: S603  our own command
            [*command, "--output-file", str(lock)],
            cwd=ROOT,
            input="\n".join(requirements),
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LockingFailed(f"{lock.relative_to(ROOT)}: uv took longer than {SECONDS_MAX:g} s") from None
    if finished.returncode:
        raise LockingFailed(f"{lock.relative_to(ROOT)} could not be written:\n{finished.stderr.strip()}")
    header = [HEADER, *(f"{SOURCE}{each}" for each in requirements)]
    lock.write_text("\n".join([*header, lock.read_text("utf-8")]), "utf-8")


def _options(name: str) -> tuple[str, ...]:
    if name == BUILT:
        return ("--no-deps",)
    # What is deployed has the versions that are tested.
    return (*ONLY_WHEELS, *(("--constraint", str(path(DEV).relative_to(ROOT))) if name == LAMBDA else ()))


def write_all() -> None:
    """Writes every lock, and checks that it suits every platform. A version that still fits stays.

    Raises LockingFailed, and then changes nothing.
    """
    with whole.or_restored(map(path, sources())):
        for name, requirements in sources().items():
            write(name, requirements)
        for name in sources().keys() - {BUILT}:
            if problem := platforms.unsuitable(name, path(name)):
                raise LockingFailed(problem)


def renew() -> None:
    """Chooses the newest version of everything that is old enough, in locks and sources.

    Raises LockingFailed, and then changes nothing. A requirement whose line ends in `# held: <reason>` keeps its
    version. No source gets an older version than it has.
    """
    texts = {file: file.read_text("utf-8") for file in (DEPLOYED, PROJECT)}
    with whole.or_restored([*texts, *map(path, sources())]):
        chosen = _upgraded({name for text in texts.values() for name in held(text)})
        for file, text in texts.items():
            file.write_text(repinned(text, chosen), "utf-8")
        write_all()


def _upgraded(kept: Container[str]) -> dict[str, str]:
    """Upgrades every lock, and returns the versions that the sources get, by normalised name."""
    chosen: dict[str, str] = {}
    for name, requirements in sources().items():
        write(name, [unpinned(each, kept) for each in requirements], "--upgrade", "--exclude-newer", AGE)
        locked = read(name)
        for direct in (canonicalize_name(Requirement(each).name) for each in requirements):
            chosen.setdefault(direct, locked[direct].version)
    return chosen


def held(text: str) -> set[str]:
    """Returns the normalised names whose versions a source holds."""
    return {canonicalize_name(name) for name in _HELD.findall(text)}


def unpinned(requirement: str, kept: Container[str]) -> str:
    """Returns a requirement without its exact version, unless that is held."""
    name = canonicalize_name(Requirement(requirement).name)
    return requirement if name in kept else _PIN.sub(lambda pin: f"{pin['name']}{pin['extras'] or ''}", requirement)


def repinned(text: str, chosen: Mapping[str, str]) -> str:
    """Returns the text of a source with these exact versions, by normalised name, where they are newer."""

    def pin(found: re.Match[str]) -> str:
        version = max(found["version"], chosen.get(canonicalize_name(found["name"]), "0"), key=Version)
        return f"{found['name']}{found['extras'] or ''}=={version}"

    return _PIN.sub(pin, text)


def main(_arguments: list[str]) -> int:
    """Writes every lock. Returns the exit status."""
    try:
        write_all()
    except LockingFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    entry.run(main)
