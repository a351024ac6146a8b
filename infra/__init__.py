"""How the project gets onto machines: `deploy/` for AWS, `local/` for a laptop, and what both share.

`resources.yml` declares the bucket and the queues for both. Nothing in `deploy/` imports `local/`.
"""

import sys

from infra.entry import end_at_once_when_interrupted

# Python puts "-m" here while it looks for the module to run. So this is `python -m infra.…`, and this package is the
# first of our code to run: Ctrl-C must not show a traceback while the rest is imported.
if sys.argv[:1] == ["-m"]:
    end_at_once_when_interrupted()
