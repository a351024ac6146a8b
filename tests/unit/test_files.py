"""What the file store makes of answers that S3 may give, but seldom does."""

from __future__ import annotations

import io

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from chalicelib.backends import file_store
from chalicelib.backends.file_store import Files

WHOLE = b"0123456789"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(file_store, "SKIP_BYTES", 2)
    return Files("bucket")


def test_a_server_that_answers_a_range_with_the_whole_is_understood(store: Files) -> None:
    with Stubber(store._s3) as s3:
        for _ in range(2):
            s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(WHOLE), len(WHOLE))})
        assert store.read("key", "version", 3, 6) == b"345"
        assert b"".join(store.blocks("key", "version", 3, 4)) == b"3456789"


def test_a_part_is_taken_as_it_is(store: Files) -> None:
    with Stubber(store._s3) as s3:
        for part in (b"345", b"3456789"):
            body = StreamingBody(io.BytesIO(part), len(part))
            s3.add_response("get_object", {"Body": body, "ContentRange": f"bytes 3-{2 + len(part)}/10"})
        assert store.read("key", "version", 3, 6) == b"345"
        assert b"".join(store.blocks("key", "version", 3, 4)) == b"3456789"
