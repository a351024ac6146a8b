"""The domain of the Product Importer: everything that does not depend on Chalice.

One room for each part of the product. A room imports from rooms below it only; `make check` enforces the order.

    repair                        what finds lost work and ends what failed at every try
    exporting                     the catalogue as a CSV file
    catalogue                     products: lists, edits, search, bulk deletes
    importing  webhooks  access   files into the catalogue · events to customers · tokens and idempotency keys
    csvfile                       the rules of CSV files: pure functions
    acceptance  events  messages  the acceptance order · the outbox · the queue messages
    backends                      PostgreSQL, S3, SQS, secrets: the only room that talks to them
    sql  settings  telemetry  fault_points
    limits  errors
"""
