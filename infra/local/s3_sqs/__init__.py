"""The emulator of S3 and SQS: its installation, its process, and the bucket and queues in it."""
