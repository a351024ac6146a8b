"""A checkout of another commit, which is measured beside this one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.project import ROOT

GIT_SECONDS_MAX = 60.0


@contextmanager
def checkout(revision: str, directory: Path) -> Iterator[Path]:
    """Yields a work tree of the commit, which is removed at the end. It uses this project's environments."""
    commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    tree = directory / f"base-{commit[:12]}"
    _remove(tree)
    _git("worktree", "add", "--detach", str(tree), commit)
    try:
        for environment in ROOT.glob(".venv*"):
            (tree / environment.name).symlink_to(environment.resolve())
        yield tree
    finally:
        _remove(tree)


def _remove(tree: Path) -> None:
    if tree.exists():
        _git("worktree", "remove", "--force", str(tree))
    _git("worktree", "prune")


def _git(*arguments: str) -> str:
    finished = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=GIT_SECONDS_MAX
    )
    return finished.stdout
