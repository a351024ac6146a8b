"""Every AWS client gives up in time: none keeps boto3's defaults of 60 s and five attempts."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from chalicelib.backends.s3 import S3FileStore
from chalicelib.backends.sealing import KmsKey
from chalicelib.backends.sqs import SqsQueues

NOWHERE = "http://127.0.0.1:9"
DATA = (5, 30, {"total_max_attempts": 3, "mode": "standard"})
"""Seconds to connect and to read, and attempts, of the clients for files and messages."""
KEYS = (5, 10, {"total_max_attempts": 3, "mode": "standard"})
"""The same of the client for keys."""


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The configuration of each client that is created, by service."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    created: dict[str, Any] = {}
    really_create = boto3.client

    def create(service: Any, **options: Any) -> Any:
        created[service] = options["config"]
        return really_create(service, **{"endpoint_url": NOWHERE, **options})

    monkeypatch.setattr(boto3, "client", create)
    return created


def test_every_client_has_our_time_outs_and_attempts(configs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    S3FileStore("bucket")
    SqsQueues("local")
    KmsKey("key")
    given = {service: (each.connect_timeout, each.read_timeout, each.retries) for service, each in configs.items()}
    assert given == {"s3": DATA, "sqs": DATA, "kms": KEYS}


def test_links_are_signed_with_every_header(configs: dict[str, Any]) -> None:
    S3FileStore("bucket")
    assert configs["s3"].signature_version == "s3v4"
    assert configs["s3"].s3["addressing_style"] == "path"
