"""One export in a process of its own, because peak memory can be measured of a whole process only.

`python -m tests.integration.export_process ID` runs it to the end and prints its peak resident bytes.
"""

from __future__ import annotations

import sys
import uuid

from chalicelib.exporting import writing
from functions.composition import backends
from tests.integration.huge_file import peak_bytes

if __name__ == "__main__":
    writing.carry_out(backends(), uuid.UUID(sys.argv[1]), lambda: 60.0)
    sys.stdout.write(str(peak_bytes()))
