"""How the stack and its tests reach S3 and SQS: always at the given endpoint, never in a real AWS account."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.config import Config
from localstack_client.session import Session

from infra.local.errors import EmulatorFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105  the emulators check the signatures of presigned links against this value
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 60
POOL_CONNECTIONS = 32


def forget_personal_settings(environment: MutableMapping[str, str] = os.environ) -> None:
    """Removes the developer's own AWS settings: credentials, profiles, regions and endpoints.

    USE_SSL goes too: localstack-client would look for an emulator with TLS.
    """
    for name in [name for name in environment if name.startswith("AWS_") or name == "USE_SSL"]:
        del environment[name]
    environment["AWS_CONFIG_FILE"] = os.devnull
    environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    environment["AWS_EC2_METADATA_DISABLED"] = "true"


@dataclass(frozen=True)
class Endpoint:
    """Where S3 and SQS answer: `url` is http://host:port."""

    url: str

    def environment(self) -> dict[str, str]:
        """The variables with which boto3 (and the AWS CLI) use this endpoint."""
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
        session = Session(
            ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION, localstack_host=urlsplit(self.url).netloc
        )
        client = session.client(service, config=config)
        # In localstack-client, AWS_ENDPOINT_URL and USE_SSL of this process take precedence.
        if client.meta.endpoint_url != self.url:
            raise EmulatorFailed(
                f"{service} would be called at {client.meta.endpoint_url}, not at {self.url}: "
                "unset AWS_ENDPOINT_URL and USE_SSL in this process"
            )
        return client
