"""The arguments of commands that `make` runs. Errors name the variable of `make`, and say how to call the target."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

USAGE = 2
"""The exit status for arguments that cannot be used."""
_VARIABLE = re.compile(r"argument (?:--)?([\w-]+): ")


class Parser(argparse.ArgumentParser):
    """Parses the arguments of a target. `make` is an example of how to call it."""

    def __init__(self, *args: Any, make: str = "make help", **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.make = make

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with USAGE. `--rows` is called ROWS, as on the command line of `make`."""
        text = _VARIABLE.sub(lambda found: f"{found[1].replace('-', '_').upper()} ", message)
        sys.stderr.write(f"{text}. Example: {self.make}\n")
        sys.exit(USAGE)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Returns the type of an argument that is a whole number."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"must be a whole number from {least:,} to {most:,}, not {text!r}")
        return int(text)

    return number


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Returns the type of an argument that is one of these, in upper or lower case."""

    def choice(text: str) -> str:
        if text.lower() not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, not {text!r}")
        return text.lower()

    return choice
