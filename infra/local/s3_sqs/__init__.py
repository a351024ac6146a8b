"""The emulator of S3 and SQS: its installation, its process, and the resources of infra/resources.yml in it."""
