"""Sends events to customers' servers: webhooks and their secrets, deliveries, attempts, retries, signatures.

    relay                          creates deliveries from events
    attempts  sender               claims deliveries, sends them, and records the results
    webhooks  own_headers          what customers register, and what is stored sealed
    deliveries                     the log, tests, and sending again
    retry_schedule  signatures     pure functions
    outbound                       the only way out to the internet

May import the outbox (events) and below. Does not know imports, products or exports.
"""
