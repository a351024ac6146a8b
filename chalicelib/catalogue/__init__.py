"""The products: lists and search, edits, bulk deletes, and the search copy that makes lists fast.

May import importing (a bulk delete cancels running imports) and below, but not webhooks.
"""
