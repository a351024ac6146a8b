"""The rules of CSV files: what kind of file it is, its encoding, header, record boundaries and rows.

Pure functions over bytes; nothing here knows of imports, S3 or the database. May import errors and limits only.
"""
