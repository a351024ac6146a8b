"""How the stack and its tests reach S3 and SQS: always the given endpoint, never somebody's real account."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from localstack_client.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105  the emulators check signatures of presigned links against this very value
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 60
POOL_CONNECTIONS = 32


def forget_personal_settings(environment: MutableMapping[str, str] = os.environ) -> None:
    """Removes every trace of the developer's own AWS set-up: credentials, profiles, regions and endpoints."""
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    environment["AWS_CONFIG_FILE"] = os.devnull
    environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    environment["AWS_EC2_METADATA_DISABLED"] = "true"


@dataclass(frozen=True)
class Endpoint:
    """Where S3 and SQS answer: `url` is http, without a path."""

    url: str

    def environment(self) -> dict[str, str]:
        """The variables that make boto3 (and the AWS CLI) use this endpoint."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def s3(self) -> S3Client:
        """A client for S3."""
        return cast("S3Client", self._client("s3"))

    def sqs(self) -> SQSClient:
        """A client for SQS."""
        return cast("SQSClient", self._client("sqs"))

    def _client(self, service: str) -> Any:
        config = Config(
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            max_pool_connections=POOL_CONNECTIONS,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
        )
        return _Session(self.url).client(service, config=config)


class _Session(Session):  # type: ignore[misc]  # localstack-client is untyped
    """localstack-client's session for one endpoint, whatever AWS_ENDPOINT_URL says in this process."""

    def __init__(self, url: str) -> None:
        super().__init__(aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION)
        self._service_endpoint_mapping = dict.fromkeys(("s3", "sqs"), url)
