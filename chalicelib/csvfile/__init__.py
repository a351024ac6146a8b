"""The rules of CSV files: file type, encoding, header, record boundaries and rows.

Pure functions over bytes, without imports, S3 or the database. May import errors and limits only.
"""
