"""Access to the API: who may call it (tokens), and what happens when a request arrives twice (idempotency keys).

May import backends and below.
"""
