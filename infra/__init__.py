"""How the project gets onto machines: `deploy/` for AWS, `local/` for a laptop, and what both share.

`resources.yml` declares the bucket and the queues for both. Nothing in `deploy/` imports `local/`.
"""
