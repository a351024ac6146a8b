"""How every AWS client is configured: one set of time-outs and attempts."""

from __future__ import annotations

from botocore.config import Config

AWS_CONNECT_SECONDS_MAX = 5
AWS_ATTEMPTS_MAX = 3
DATA_READ_SECONDS_MAX = 30
"""S3 and SQS: an answer may be large, or a part of a file may have to be stored first."""
KEY_READ_SECONDS_MAX = 10
"""KMS: answers are small, and a request to the API waits for them."""


def client_config(read_seconds_max: int) -> Config:
    """The configuration of a client that waits at most this long for each part of an answer."""
    return Config(
        connect_timeout=AWS_CONNECT_SECONDS_MAX,
        read_timeout=read_seconds_max,
        retries={"total_max_attempts": AWS_ATTEMPTS_MAX, "mode": "standard"},
    )
