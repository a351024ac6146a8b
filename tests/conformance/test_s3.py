"""What we need of S3: each promise that the importer builds on, asked of whatever plays S3."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.backends.file_store import FileGone, Files, UploadGone
from infra.local.processes.deadline import wait_until
from tests.conformance.conftest import Stand

CONTENT = b"sku,name\r\nA-1,Hammer\r\n"
HTTP_SECONDS_MAX = 10
EXPIRY_SECONDS_MAX = 15
PART_BYTES = 5 * 1024 * 1024


@pytest.fixture
def key() -> str:
    return f"elsewhere/{uuid.uuid4().hex}.csv"


def _put(url: str, headers: dict[str, str], content: bytes = CONTENT) -> int:
    with requests.Session() as client:
        client.trust_env = False
        return client.put(url, data=content, headers=headers, timeout=HTTP_SECONDS_MAX).status_code


def _get(url: str) -> requests.Response:
    with requests.Session() as client:
        client.trust_env = False
        return client.get(url, timeout=HTTP_SECONDS_MAX)


def _with(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **changed}
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_upload_by_link_stores_exactly_what_was_promised(files: Files, key: str) -> None:
    link = files.presign_upload(key, len(CONTENT), "text/csv")
    assert _put(link.url, link.headers) == 200
    stored = files.find(key)
    assert stored.size_bytes == len(CONTENT)
    assert files.read(key, stored.version, 0, len(CONTENT)) == CONTENT


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "text/html"}, CONTENT),
        ({"If-None-Match": ""}, CONTENT),
        ({}, CONTENT + b"more"),
        ({}, CONTENT[:-1]),
    ],
    ids=["another type", "without the condition", "longer", "shorter"],
)
def test_what_the_link_signs_cannot_be_changed(files: Files, key: str, headers: dict[str, str], content: bytes) -> None:
    link = files.presign_upload(key, len(CONTENT), "text/csv")
    sent = {name: value for name, value in {**link.headers, **headers}.items() if value}
    assert _put(link.url, sent, content) == 403
    with pytest.raises(FileGone):
        files.find(key)


def test_a_link_for_another_key_or_a_longer_time_is_refused(files: Files, key: str) -> None:
    link = files.presign_upload(key, len(CONTENT), "text/csv")
    signature = dict(parse_qsl(urlsplit(link.url).query))["X-Amz-Signature"]
    other = "0" if signature[0] != "0" else "1"
    for tampered in (
        link.url.replace(key, f"{key}x"),
        _with(link.url, **{"X-Amz-Expires": "86400"}),
        _with(link.url, **{"X-Amz-Signature": other + signature[1:]}),
    ):
        assert tampered != link.url
        assert _put(tampered, link.headers) == 403


def test_an_expired_link_is_refused(files: Files, s3: Any, stand: Stand, key: str) -> None:
    s3.put_object(Bucket=stand.bucket, Key=key, Body=CONTENT)
    signer = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": stand.bucket, "Key": key}, ExpiresIn=1)
    wait_until(lambda: _get(url).status_code == 403, EXPIRY_SECONDS_MAX, "the link expires")


def test_a_link_cannot_replace_what_is_there(files: Files, key: str) -> None:
    link = files.presign_upload(key, len(CONTENT), "text/csv")
    assert _put(link.url, link.headers) == 200
    first = files.find(key).version
    assert _put(link.url, link.headers) == 412
    assert files.find(key).version == first


def test_a_download_link_names_version_type_and_file(files: Files, s3: Any, stand: Stand, key: str) -> None:
    version = s3.put_object(Bucket=stand.bucket, Key=key, Body=CONTENT)["VersionId"]
    s3.put_object(Bucket=stand.bucket, Key=key, Body=b"another")
    url = files.presign_download(key, version, "products.csv")
    answer = _get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    stand.needs("headers_of_versions")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="products.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert _get(_with(url, **{"response-content-type": "text/html"})).status_code == 403


def test_ranges_are_those_of_the_version_that_is_named(files: Files, s3: Any, stand: Stand, key: str) -> None:
    old = s3.put_object(Bucket=stand.bucket, Key=key, Body=b"0123456789")["VersionId"]
    new = s3.put_object(Bucket=stand.bucket, Key=key, Body=b"abcdefghij")["VersionId"]
    assert old != new
    assert files.read(key, old, 2, 5) == b"234"
    assert files.read(key, new, 2, 5) == b"cde"
    assert files.read(key, old, 8, 100) == b"89"
    assert b"".join(files.blocks(key, old, 4, 3)) == b"456789"
    assert files.find(key).version == new
    assert files.find(key, old).version == old


def test_a_range_beyond_the_end_is_an_error(s3: Any, stand: Stand, key: str) -> None:
    s3.put_object(Bucket=stand.bucket, Key=key, Body=b"0123")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=stand.bucket, Key=key, Range="bytes=4-9")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416


def test_what_was_removed_is_gone_and_its_other_versions_are_not(files: Files, s3: Any, stand: Stand, key: str) -> None:
    old = s3.put_object(Bucket=stand.bucket, Key=key, Body=b"old")["VersionId"]
    new = s3.put_object(Bucket=stand.bucket, Key=key, Body=b"new")["VersionId"]
    s3.delete_object(Bucket=stand.bucket, Key=key, VersionId=old)
    for gone in (lambda: files.find(key, old), lambda: files.read(key, old, 0, 3)):
        with pytest.raises(FileGone):
            gone()
    assert files.read(key, new, 0, 3) == b"new"
    s3.delete_object(Bucket=stand.bucket, Key=key)
    with pytest.raises(FileGone):
        files.find(key)
    assert files.read(key, new, 0, 3) == b"new"


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("names", ["aabbcd", "ääb b+"], ids=["plain names", "names to be quoted"])
def test_every_version_is_in_some_page(files: Files, s3: Any, stand: Stand, names: str, limit: int) -> None:
    if not names.isalpha() or not names.isascii():
        stand.needs("pages_of_quoted_names")
    prefix = f"elsewhere/{uuid.uuid4().hex}/"
    put = {
        (key, s3.put_object(Bucket=stand.bucket, Key=key, Body=b"x")["VersionId"])
        for key in (f"{prefix}{name}" for name in names)
    }
    found: set[tuple[str, str]] = set()
    key_marker: str | None = None
    version_marker: str | None = None
    for _ in range(len(put) + 1):  # The last page may be empty.
        page, key_marker, version_marker = files.list_versions(prefix, limit, key_marker, version_marker)
        found |= {(each.key, each.version) for each in page}
        if key_marker is None:
            break
    assert (found, key_marker) == (put, None)


def test_parts_make_one_object_whoever_writes_them(files: Files, key: str) -> None:
    upload = files.begin_parts(key)
    parts = [
        files.write_part(key, upload, 3, b"end"),
        files.write_part(key, upload, 1, b"a" * PART_BYTES),
        # Written twice, as after a kill: the later one counts.
        files.write_part(key, upload, 1, b"b" * PART_BYTES),
    ]
    stored = files.finish_parts(key, upload, [parts[2], parts[0]])
    assert stored.size_bytes == PART_BYTES + 3
    assert files.read(key, stored.version, PART_BYTES - 1, PART_BYTES + 3) == b"bend"
    # Who does not know that it is finished finishes it again.
    assert files.finish_parts(key, upload, [parts[2], parts[0]]).version == stored.version


def test_an_upload_that_was_removed_is_gone(files: Files, s3: Any, stand: Stand, key: str) -> None:
    upload = files.begin_parts(key)
    part = files.write_part(key, upload, 1, b"x")
    s3.abort_multipart_upload(Bucket=stand.bucket, Key=key, UploadId=upload)
    with pytest.raises(UploadGone):
        files.write_part(key, upload, 2, b"x")
    with pytest.raises(UploadGone):
        files.finish_parts(key, upload, [part])


def test_a_part_in_the_middle_may_not_be_small(files: Files, stand: Stand, key: str) -> None:
    stand.needs("part_size")
    upload = files.begin_parts(key)
    parts = [files.write_part(key, upload, number, b"x") for number in (1, 2)]
    with pytest.raises(ClientError, match="EntityTooSmall"):
        files.finish_parts(key, upload, parts)


def test_other_pages_may_not_upload(stand: Stand, key: str) -> None:
    stand.needs("cors")
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,if-none-match"}
    url = f"{stand.endpoint.url}/{stand.bucket}/{key}"
    with requests.Session() as browser:
        browser.trust_env = False
        ours, foreign = (
            browser.options(url, headers={"Origin": origin, **asked}, timeout=HTTP_SECONDS_MAX)
            for origin in ("http://page.example", "http://evil.example")
        )
    assert ours.headers["Access-Control-Allow-Origin"] == "http://page.example"
    assert foreign.headers.get("Access-Control-Allow-Origin") not in ("*", "http://evil.example")
