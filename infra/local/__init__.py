"""The local stack: everything that AWS provides for a deployment, on one machine and without an account.

    client       `make import`, `make demo`, `make psql`: programs that use the running stack
    lambda_      runs the functions: triggers, pollers, schedules, execution environments
    site         the web server: the page's files, and the gateway to the HTTP functions
    s3_sqs       the emulator of S3 and SQS, its installation, and the resources in it
    postgres     the database server
    processes    child processes that end with the stack, logs, locks, ports

`supervisor` starts and stops it all; `options` reads its settings; `testing` starts stacks for tests.
"""
