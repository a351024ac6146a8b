"""The directories of the project and of its local data."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The directory of app.py."""
DATA_DIR_DEFAULT = ".local"
STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")
"""The names of stages: part of the names of stacks, functions, buckets and queues."""
STAGE_RULE = "up to 20 lower-case letters, digits and dashes, beginning with a letter"


def data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """DATA_DIR: the local stack's database, logs, caches and connection details."""
    return Path(environment.get("DATA_DIR") or DATA_DIR_DEFAULT)
