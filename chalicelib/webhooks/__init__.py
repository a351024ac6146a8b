"""Events to customers' servers: webhooks and their secrets, deliveries, attempts, retries, signatures.

May import the outbox (events) and below. Knows nothing of imports, products or exports.
"""
