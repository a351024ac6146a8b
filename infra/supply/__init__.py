"""The code of others: locks with hashes, their renewal, and the audit against known vulnerabilities."""
