"""One export in a process of its own, because peak memory can be measured of a whole process only.

`python -m tests.support.export_process ID` carries it out to the end and prints the most bytes it ever had resident.
"""

from __future__ import annotations

import sys
import uuid

from chalicelib import exporting
from functions.composition import backends
from tests.support.huge_file import peak_bytes

if __name__ == "__main__":
    exporting.carry_out(backends(), uuid.UUID(sys.argv[1]), lambda: 60.0)
    sys.stdout.write(str(peak_bytes()))
