"""The catalogue as a CSV file in S3: the state of an export, and writing it part by part.

May import catalogue and below, but not webhooks.
"""
