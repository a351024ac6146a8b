"""Clients of S3 and SQS reach the given endpoint and no other."""

from __future__ import annotations

import os

import pytest

from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.errors import EmulatorFailed

ENDPOINT = Endpoint("http://127.0.0.1:4566")


@pytest.fixture(autouse=True)
def personal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a developer who uses AWS and another LocalStack."""
    for name, value in (("AWS_PROFILE", "work"), ("AWS_ENDPOINT_URL", "https://sqs.example"), ("USE_SSL", "1")):
        monkeypatch.setenv(name, value)


def test_clients_call_the_endpoint_once_personal_settings_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    neutral = dict(os.environ)
    forget_personal_settings(neutral)
    for name in os.environ.keys() - neutral.keys():
        monkeypatch.delenv(name)
    for name, value in neutral.items():
        monkeypatch.setenv(name, value)
    assert ENDPOINT.s3().meta.endpoint_url == ENDPOINT.sqs().meta.endpoint_url == ENDPOINT.url


@pytest.mark.parametrize("removed", ["AWS_ENDPOINT_URL", "USE_SSL"])
def test_a_client_that_would_call_another_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch, removed: str) -> None:
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv(removed)
    with pytest.raises(EmulatorFailed, match=r"sqs would be called at https://.*, not at http://127.0.0.1:4566"):
        ENDPOINT.sqs()
