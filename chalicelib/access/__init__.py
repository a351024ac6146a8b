"""Who may call the API, and what happens when the same request arrives twice: tokens and idempotency keys.

May import backends and below.
"""
