"""Who runs PostgreSQL. It refuses to run as root, so root hands it to a system user, and opens the way as needed."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.local.processes.lock import machine_lock

NAME = "embedded_postgres"
USERADD_SECONDS_MAX = 30.0
TRAVERSE = stat.S_IXOTH
READ_AND_TRAVERSE = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True)
class Account:
    """A user to run as; both None: the user who runs the stack."""

    user: str | None = None
    group: int | None = None

    def own(self, path: Path) -> None:
        """Gives a file or directory to the account."""
        if self.user is not None:
            os.chown(path, pwd.getpwnam(self.user).pw_uid, self.group if self.group is not None else -1)


def account(say: Callable[[str], None]) -> Account:
    """The account for PostgreSQL's processes; for root, a system user that is created once."""
    if os.geteuid() != 0:
        return Account()
    entry = _entry()
    if entry is None:
        with machine_lock():
            # Another stack, started at the same moment, may have been quicker.
            entry = _entry() or _create(say)
    return Account(entry.pw_name, entry.pw_gid)


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return None


def _create(say: Callable[[str], None]) -> pwd.struct_passwd:
    say(f"PostgreSQL does not run as root: creating the system user {NAME}")
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
    subprocess.run(command, check=True, capture_output=True, timeout=USERADD_SECONDS_MAX)
    return pwd.getpwnam(NAME)


def open_way(path: Path, say: Callable[[str], None]) -> None:
    """Lets other users pass through the parents of `path`: the traverse bit, where it is missing, and nothing else."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & TRAVERSE:
            say(f"adding the traverse bit (o+x) to {parent}, so that the system user {NAME} can reach {path}")
            parent.chmod(stat.S_IMODE(mode) | TRAVERSE)


def open_tree(directory: Path, say: Callable[[str], None]) -> None:
    """Lets other users read a directory tree of programs; pip under a strict umask installs it for its owner only."""
    if directory.stat().st_mode & READ_AND_TRAVERSE == READ_AND_TRAVERSE:
        return
    say(f"making the PostgreSQL programs in {directory} readable for the system user {NAME}")
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            executable = path.is_dir() or bool(mode & stat.S_IXUSR)
            path.chmod(mode | (READ_AND_TRAVERSE if executable else stat.S_IROTH))
