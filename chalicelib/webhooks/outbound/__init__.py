"""The only way out to the internet: which URLs and addresses are allowed, and one HTTP request with limits.

May import errors and limits only.
"""
