"""The only way out to the internet: which URLs and addresses are allowed, and one bounded HTTP request.

May import errors and limits only.
"""
