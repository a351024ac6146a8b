"""Starts ministack for `make cloud-test`. Runs inside ministack's own environment: nothing of this project is there.

Two things are told here that ministack has no setting for: which Python functions run in (it takes its own, in which
its own dependencies could be imported), and that port 443 stays free, which it takes beside its own where it can.
"""

import importlib
import os
import sys
from typing import Any


def main() -> None:
    """Hands over to ministack."""
    sys.executable = os.environ["FUNCTIONS_PYTHON"]
    application: Any = importlib.import_module("ministack.app")
    # Not quietly: another version may have another name for it.
    assert callable(application._port_is_bindable)
    application._port_is_bindable = lambda *_: False
    application.main()


if __name__ == "__main__":
    main()
