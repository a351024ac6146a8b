"""Coverage-guided fuzzing of the splitter and the row rules with Atheris (libFuzzer): `make fuzz`.

The arguments are those of libFuzzer: options such as -atheris_runs=500000, then corpus directories. The first directory
receives new inputs. A failing input is written to a file `crash-…`; to reproduce it, pass only that file.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Fuzzes until an input fails, or until the options say to stop."""
    # Loaded by name: it is not a requirement of the project, because it does not exist for every Python and platform.
    atheris = importlib.import_module("atheris")
    # The code that guides the fuzzer must be imported with its instrumentation.
    with atheris.instrument_imports(include=["chalicelib"]):
        split_property = importlib.import_module("tests.fuzz.split_property")
    atheris.Setup(sys.argv, split_property.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
