"""The file store understands answers that S3 may give, but seldom does."""

from __future__ import annotations

import io

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from chalicelib.backends import s3
from chalicelib.backends.s3 import S3FileStore

WHOLE = b"0123456789"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> S3FileStore:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(s3, "SKIP_BYTES", 2)
    return S3FileStore("bucket")


def test_a_whole_object_in_place_of_a_range_is_cut_to_the_range(store: S3FileStore) -> None:
    with Stubber(store._s3) as stub:
        for _ in range(2):
            stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(WHOLE), len(WHOLE))})
        assert store.read("key", "version", 3, 6) == b"345"
        assert b"".join(store.blocks("key", "version", 3, 4)) == b"3456789"


def test_a_range_is_taken_as_it_is(store: S3FileStore) -> None:
    with Stubber(store._s3) as stub:
        for part in (b"345", b"3456789"):
            body = StreamingBody(io.BytesIO(part), len(part))
            stub.add_response("get_object", {"Body": body, "ContentRange": f"bytes 3-{2 + len(part)}/10"})
        assert store.read("key", "version", 3, 6) == b"345"
        assert b"".join(store.blocks("key", "version", 3, 4)) == b"3456789"
