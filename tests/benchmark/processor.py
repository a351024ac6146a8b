"""CPU seconds of running programs, with all that they started, also what has already ended."""

from __future__ import annotations

import resource
from collections.abc import Mapping

import psutil

from infra.local.stack_file import StackFile

GROUPS = {"PostgreSQL": "postgres", "functions": "functions", "S3 and SQS": "emulator"}
"""The processes of a stack, by the name of the process that started them in its file."""
REST = "supervisor and pollers"
"""One process, which also has the web server."""


def tree_seconds(pid: int) -> float:
    """Returns the CPU seconds of a process and of everything below it. A process that ended counts in its parent."""
    top = psutil.Process(pid)
    spent = 0.0
    for process in (top, *top.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


def stack_seconds(stack: StackFile) -> dict[str, float]:
    """Returns the CPU seconds of a running stack so far, by group of processes."""
    own = psutil.Process(stack.pids["supervisor"]).cpu_times()
    groups = {group: tree_seconds(stack.pids[name]) for group, name in GROUPS.items()}
    return {**groups, REST: own.user + own.system}


def commands_seconds() -> float:
    """Returns the CPU seconds of all commands that this process has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_seconds() -> float:
    """Returns the CPU seconds of all processes of the machine since it started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Returns what each group has spent in between."""
    return {group: after[group] - before.get(group, 0.0) for group in after}
