"""Imports files into the catalogue: accepts and splits them, upserts chunks, reports progress and rejected rows.

May import csvfile and below. Does not know webhooks: it records events, which other rooms deliver.
"""
