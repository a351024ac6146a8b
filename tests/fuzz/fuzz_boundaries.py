"""Coverage-guided fuzzing of the splitter and the row rules with Atheris (libFuzzer): `make fuzz`.

Arguments are libFuzzer's: options such as -atheris_runs=500000, then corpus directories, the first of which receives
new inputs. What it finds is written to a file `crash-…`; give that file as the only argument to run it again.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Fuzzes until a finding, or until the options say to stop."""
    # Loaded by name: it is no requirement of the project, for it does not exist for every Python and platform.
    atheris = importlib.import_module("atheris")
    # What guides the fuzzer must be imported by way of its instrumentation.
    with atheris.instrument_imports(include=["chalicelib"]):
        split_property = importlib.import_module("tests.fuzz.split_property")
    atheris.Setup(sys.argv, split_property.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
