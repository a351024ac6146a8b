"""Products: lists and search, edits, bulk deletes, and the search index that keeps filtered lists fast.

May import importing (a bulk delete cancels running imports) and below, but not webhooks.
"""
