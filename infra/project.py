"""Where the project and its local data are on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The directory of app.py."""
DATA_DIR_DEFAULT = ".local"


def data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """DATA_DIR: the local stack's database, logs, caches and connection details."""
    return Path(environment.get("DATA_DIR") or DATA_DIR_DEFAULT)
