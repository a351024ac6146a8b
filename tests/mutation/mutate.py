"""Removes one safety mechanism at a time from a copy of the project, and checks that a test turns red.

    python -m tests.mutation.mutate [NAME …]

Each mutation names the tests that should notice; they run with `-x`, so a noticed one is quick. A control run without
any mutation comes first. Exit status 1 when the control run is red, when a mechanism can be removed without a test
failing, or when a mutation no longer applies to the code; 2 for an unknown name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra import entry
from tests.mutation.mutations import MUTATIONS, DoesNotApply, Mutation, mutated

ROOT = Path(__file__).parents[2]
COPIED = (
    "app.py",
    "chalicelib",
    "docs",
    "functions",
    "infra",
    "locks",
    "tests",
    "vendor",
    ".chalice",
    "pyproject.toml",
    "web",
    "Makefile",
)
LINKED = (".venv", ".venv-localstack", ".venv-ministack")
RUN_SECONDS_MAX = 600
CONTROL_SECONDS_MAX = 1800
FAILURE_LINES = 15


def main(names: list[str]) -> int:
    """Runs the chosen mutations, or all. Returns the exit status."""
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    if unknown := set(names) - {each.name for each in chosen}:
        print(f"no such mutation: {', '.join(sorted(unknown))}")  # noqa: T201
        return 2
    if not _control(chosen):
        return 1
    survivors = [each.name for each in chosen if not _noticed(each)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations noticed")  # noqa: T201
    for name in survivors:
        print(f"NOT NOTICED: {name}")  # noqa: T201
    return 1 if survivors else 0


def _control(chosen: Sequence[Mutation]) -> bool:
    """Runs the same tests without a mutation: a test that is red anyway would notice everything."""
    started = time.monotonic()
    files = sorted({test.partition("::")[0] for each in chosen for test in each.tests if test.startswith("tests/")})
    with _copied_project() as copy:
        ran = _pytest(copy, files, CONTROL_SECONDS_MAX)
    verdict = "green" if ran.returncode == 0 else "RED: these tests fail without any mutation"
    print(f"control run, {len(files)} files, {time.monotonic() - started:.0f} s: {verdict}", flush=True)  # noqa: T201
    if ran.returncode != 0:
        print("\n".join(ran.stdout.splitlines()[-FAILURE_LINES:]))  # noqa: T201
    return ran.returncode == 0


def _noticed(mutation: Mutation) -> bool:
    started = time.monotonic()
    with _copied_project() as copy:
        target = copy / mutation.file
        try:
            target.write_text(mutated(mutation, target.read_text("utf-8")), "utf-8")
        except DoesNotApply as error:
            print(f"does not apply: {error}", flush=True)  # noqa: T201
            return False
        ran = _pytest(copy, mutation.tests, RUN_SECONDS_MAX)
    # An error outside a test does not count: it would be there without the mutation too.
    red = next((line for line in ran.stdout.splitlines() if line.startswith("FAILED")), "")
    broken = next((line for line in ran.stdout.splitlines() if line.startswith("ERROR")), "")
    verdict = "red  " if red else "BROKEN" if broken else "GREEN"
    print(f"{verdict} {time.monotonic() - started:5.1f} s  {mutation.name}: {(red or broken)[:150]}", flush=True)  # noqa: T201
    return verdict == "red  "


def _pytest(copy: Path, tests: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [copy / ".venv/bin/python", "-m", "pytest", "-x", "-q", "--timeout", "120", *tests],
        cwd=copy,
        env={**os.environ, "HISTORIES": "500", "SHRINK": "0"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextmanager
def _copied_project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        copy.chmod(0o755)  # PostgreSQL runs as another user, who must get to its programs, when root runs this.
        _copy_project(copy)
        yield copy


def _copy_project(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


if __name__ == "__main__":
    entry.run(main)
