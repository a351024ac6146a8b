"""Runs a program that is not in this package so that Ctrl-C ends it with one line, even while it is being imported.

python -m infra tests.benchmark --runs 5
"""

from __future__ import annotations

import runpy
import sys

from infra import entry


def main(arguments: list[str]) -> int:
    """Runs the module with the arguments that follow its name. Returns 0 if the module itself does not exit."""
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    entry.run(main)
