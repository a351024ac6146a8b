"""Starts ministack for `make cloud-test`. Runs in ministack's own environment, without this project's modules.

Changes two things for which ministack has no setting: the Python that runs functions (by default its own, in which
functions could import its dependencies), and port 443, which it would also listen on where it can.
"""

import importlib
import os
import sys
from typing import Any


def main() -> None:
    """Runs ministack."""
    sys.executable = os.environ["FUNCTIONS_PYTHON"]
    application: Any = importlib.import_module("ministack.app")
    # Fail if another version of ministack has another name for it.
    assert callable(application._port_is_bindable)
    application._port_is_bindable = lambda *_: False
    application.main()


if __name__ == "__main__":
    main()
