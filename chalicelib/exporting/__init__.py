"""Exports of the catalogue as CSV files in S3: the state of an export, and writing its file part by part.

May import catalogue and below, but not webhooks.
"""
