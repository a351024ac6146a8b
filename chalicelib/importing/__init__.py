"""A file into the catalogue: accept it, split it, upsert its chunks, report progress and rejected rows.

May import csvfile and below. Does not know webhooks: it records events, and others deliver them.
"""
