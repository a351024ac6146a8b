"""What we need of a file store: the behaviour that the importer relies on, of S3's emulator and of our fake."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.backends.s3 import S3FileStore
from chalicelib.errors import FileGone, FileRefused, UploadGone
from infra.local.processes.deadline import wait_until
from tests.conformance.conftest import Emulated
from tests.conformance.stores import HTTP_SECONDS_MAX, BucketClients, Store

CONTENT = b"sku,name\r\nA-1,Hammer\r\n"
EXPIRY_SECONDS_MAX = 15
PART_BYTES = 5 * 1024 * 1024


@pytest.fixture
def key() -> str:
    return f"elsewhere/{uuid.uuid4().hex}.csv"


def _with(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **changed}
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_upload_by_link_stores_exactly_what_was_promised(store: Store, key: str) -> None:
    link = store.files.presign_upload(key, len(CONTENT), "text/csv")
    assert store.others.follow_upload(link.url, link.headers, CONTENT) == 200
    stored = store.files.find(key)
    assert stored.size_bytes == len(CONTENT)
    assert store.files.read(key, stored.version, 0, len(CONTENT)) == CONTENT


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
def test_what_a_link_promises_cannot_be_changed(
    store: Store, key: str, headers: dict[str, str], content: bytes
) -> None:
    link = store.files.presign_upload(key, len(CONTENT), "text/csv")
    sent = {name: value for name, value in {**link.headers, **headers}.items() if value}
    assert store.others.follow_upload(link.url, sent, content) == 403
    with pytest.raises(FileGone):
        store.files.find(key)


def test_a_link_for_another_key_or_a_longer_time_is_refused(store: Store, key: str) -> None:
    store.needs("signatures")
    link = store.files.presign_upload(key, len(CONTENT), "text/csv")
    signature = dict(parse_qsl(urlsplit(link.url).query))["X-Amz-Signature"]
    other = "0" if signature[0] != "0" else "1"
    for tampered in (
        link.url.replace(key, f"{key}x"),
        _with(link.url, **{"X-Amz-Expires": "86400"}),
        _with(link.url, **{"X-Amz-Signature": other + signature[1:]}),
    ):
        assert tampered != link.url
        assert store.others.follow_upload(tampered, link.headers, CONTENT) == 403


TAMPERED: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("POST", {}, {}),
    ("DELETE", {}, {}),
    ("GET", {}, {}),
    ("PUT", {"X-Amz-Signature": ""}, {}),
    ("PUT", {"X-Amz-SignedHeaders": "host"}, {}),
    ("PUT", {"X-Amz-Date": "20300101T000000Z"}, {}),
    ("PUT", {"X-Amz-Algorithm": "AWS4-HMAC-SHA1"}, {}),
    ("PUT", {"X-Amz-Credential": "another/20260101/us-east-1/s3/aws4_request"}, {}),
    ("PUT", {"acl": ""}, {}),
    ("PUT", {"tagging": ""}, {}),
    ("PUT", {"partNumber": "1", "uploadId": "x"}, {}),
    ("PUT", {}, {"x-amz-acl": "public-read"}),
    ("PUT", {}, {"x-amz-tagging": "a=b"}),
    ("PUT", {}, {"x-amz-storage-class": "GLACIER"}),
    ("PUT", {}, {"x-amz-copy-source": "/bucket/key"}),
    ("PUT", {}, {"x-amz-meta-a": "b"}),
    ("PUT", {}, {"x-amz-website-redirect-location": "https://evil.example/"}),
]
"""Requests with a link that it was not made for: a method, parameters, and headers."""


@pytest.mark.parametrize(("method", "parameters", "headers"), TAMPERED)
def test_a_link_is_good_for_nothing_else(
    store: Store, key: str, method: str, parameters: dict[str, str], headers: dict[str, str]
) -> None:
    store.needs("signatures")
    store.needs("whole_signatures")
    link = store.files.presign_upload(key, len(CONTENT), "text/csv")
    with requests.Session() as client:
        client.trust_env = False
        answer = client.request(
            method,
            _with(link.url, **parameters),
            data=CONTENT,
            headers={**link.headers, **headers},
            timeout=HTTP_SECONDS_MAX,
        )
    assert 400 <= answer.status_code < 500
    with pytest.raises(FileGone):
        store.files.find(key)


@pytest.mark.usefixtures("ours")
def test_an_expired_link_is_refused(s3: Any, emulated: Emulated, key: str) -> None:
    s3.put_object(Bucket=emulated.bucket, Key=key, Body=CONTENT)
    signer = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": emulated.bucket, "Key": key}, ExpiresIn=1)
    others = BucketClients(s3, emulated.bucket)
    wait_until(lambda: others.follow_download(url).status == 403, EXPIRY_SECONDS_MAX, "the link expires")


def test_a_link_cannot_replace_an_object(store: Store, key: str) -> None:
    link = store.files.presign_upload(key, len(CONTENT), "text/csv")
    assert store.others.follow_upload(link.url, link.headers, CONTENT) == 200
    first = store.files.find(key).version
    assert store.others.follow_upload(link.url, link.headers, CONTENT) == 412
    assert store.files.find(key).version == first


def test_a_download_link_names_version_type_and_file(store: Store, key: str) -> None:
    version = store.others.put(key, CONTENT)
    store.others.put(key, b"another")
    answer = store.others.follow_download(store.files.presign_download(key, version, "products.csv"))
    assert (answer.status, answer.content) == (200, CONTENT)
    store.needs("headers_of_versions")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="products.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_the_type_in_a_download_link_cannot_be_changed(store: Store, key: str) -> None:
    store.needs("signatures")
    store.needs("headers_of_versions")
    url = store.files.presign_download(key, store.others.put(key, CONTENT), "products.csv")
    assert store.others.follow_download(_with(url, **{"response-content-type": "text/html"})).status == 403


def test_ranges_are_those_of_the_version_that_is_named(store: Store, key: str) -> None:
    files = store.files
    old, new = store.others.put(key, b"0123456789"), store.others.put(key, b"abcdefghij")
    assert old != new
    assert files.read(key, old, 2, 5) == b"234"
    assert files.read(key, new, 2, 5) == b"cde"
    assert files.read(key, old, 8, 100) == b"89"
    assert b"".join(files.blocks(key, old, 4, 3)) == b"456789"
    assert files.find(key).version == new
    assert files.find(key, old).version == old


def test_a_range_beyond_the_end_is_an_error(s3: Any, emulated: Emulated, key: str) -> None:
    s3.put_object(Bucket=emulated.bucket, Key=key, Body=b"0123")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=emulated.bucket, Key=key, Range="bytes=4-9")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416


def test_a_removed_version_is_gone_and_the_others_are_not(store: Store, key: str) -> None:
    files = store.files
    old, new = store.others.put(key, b"old"), store.others.put(key, b"new")
    store.others.remove(key, old)
    for gone in (lambda: files.find(key, old), lambda: files.read(key, old, 0, 3)):
        with pytest.raises(FileGone):
            gone()
    assert files.read(key, new, 0, 3) == b"new"
    store.others.remove(key)
    with pytest.raises(FileGone):
        files.find(key)
    assert files.read(key, new, 0, 3) == b"new"


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("names", ["aabbcd", "ääb b+"], ids=["plain names", "names to be quoted"])
def test_every_version_is_in_some_page(store: Store, names: str, limit: int) -> None:
    if not names.isalpha() or not names.isascii():
        store.needs("pages_of_quoted_names")
    prefix = f"elsewhere/{uuid.uuid4().hex}/"
    put = {(key, store.others.put(key, b"x")) for key in (f"{prefix}{name}" for name in names)}
    store.others.put("another/folder.csv", b"x")
    found: set[tuple[str, str]] = set()
    key_marker: str | None = None
    version_marker: str | None = None
    for _ in range(len(put) + 1):  # The last page may be empty.
        page, key_marker, version_marker = store.files.list_versions(prefix, limit, key_marker, version_marker)
        found |= {(each.key, each.version) for each in page}
        if key_marker is None:
            break
    assert (found, key_marker) == (put, None)


@pytest.mark.parametrize("name", ["a.csv", "ä b+%.csv"])
def test_versions_are_listed_in_the_order_in_which_they_were_put_within_one_second(store: Store, name: str) -> None:
    key = f"elsewhere/{uuid.uuid4().hex}/{name}"
    put = [store.others.put(key, b"%d" % number) for number in range(10)]
    store.others.put(f"{key}2", b"x")
    store.others.remove(key)
    put.append(store.others.put(key, b"after a delete marker"))
    assert [each.version for each in store.files.versions_of(key, 100)] == put[::-1]
    # The delete marker counts, too.
    assert [each.version for each in store.files.versions_of(key, 3)] in (put[:-4:-1], put[:-3:-1])
    assert [each.key for each in store.files.versions_of(f"{key}2", 100)] == [f"{key}2"]
    assert store.files.versions_of(f"{key}3", 100) == []


def test_the_version_of_a_bucket_without_versions_is_listed_as_null(s3: Any, emulated: Emulated, key: str) -> None:
    bucket = f"conformance-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    for content in (b"old", b"new"):
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    (listed,) = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    assert listed["VersionId"] == "null"


def test_an_empty_object_is_found_and_read(store: Store, key: str) -> None:
    version = store.others.put(key, b"")
    assert store.files.find(key) == store.files.find(key, version)
    assert (store.files.find(key).version, store.files.find(key).size_bytes) == (version, 0)
    assert store.files.read(key, version, 0, 0) == b""


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_refused_until_it_is_restored(
    s3: Any, ours: Emulated, key: str, storage_class: str
) -> None:
    files = S3FileStore(ours.bucket)
    archived = {"Bucket": ours.bucket, "Key": key}
    version = s3.put_object(**archived, Body=CONTENT, StorageClass=storage_class)["VersionId"]
    reads = (lambda: files.find(key), lambda: files.find(key, version), lambda: files.read(key, version, 0, 3))
    for read in reads:
        with pytest.raises(FileRefused) as refused:
            read()
        assert (refused.value.code, refused.value.retryable) == ("file_archived", True)
    assert [each.version for each in files.versions_of(key, 10)] == [version]
    ours.needs("restored_versions")
    s3.restore_object(**archived, VersionId=version, RestoreRequest={"Days": 1})
    assert files.read(key, version, 0, 3) == CONTENT[:3]


def test_an_object_with_its_uploaders_key_is_refused(s3: Any, ours: Emulated, key: str) -> None:
    uploaders = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    version = s3.put_object(Bucket=ours.bucket, Key=key, Body=CONTENT, **uploaders)["VersionId"]
    files = S3FileStore(ours.bucket)
    for read in (lambda: files.find(key, version), lambda: files.read(key, version, 0, 3)):
        with pytest.raises(FileRefused) as refused:
            read()
        assert (refused.value.code, refused.value.retryable) == ("file_encrypted", False)


@pytest.mark.usefixtures("ours")
def test_a_bucket_that_does_not_exist_is_no_missing_file(key: str) -> None:
    files = S3FileStore(f"conformance-{uuid.uuid4().hex[:12]}")
    for read in (lambda: files.find(key), lambda: files.read(key, "null", 0, 3)):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            read()


def test_parts_make_one_object_whichever_process_writes_them(store: Store, key: str) -> None:
    files = store.files
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
    # A process that does not know that it is finished finishes it again.
    assert files.finish_parts(key, upload, [parts[2], parts[0]]).version == stored.version


def test_an_upload_that_was_removed_is_gone(store: Store, key: str) -> None:
    files = store.files
    upload = files.begin_parts(key)
    part = files.write_part(key, upload, 1, b"x")
    store.others.abort(key, upload)
    with pytest.raises(UploadGone):
        files.write_part(key, upload, 2, b"x")
    with pytest.raises(UploadGone):
        files.finish_parts(key, upload, [part])


def test_a_part_in_the_middle_may_not_be_small(store: Store, key: str) -> None:
    store.needs("part_size")
    files = store.files
    upload = files.begin_parts(key)
    parts = [files.write_part(key, upload, number, b"x") for number in (1, 2)]
    with pytest.raises(ClientError, match="EntityTooSmall"):
        files.finish_parts(key, upload, parts)


def test_other_pages_may_not_upload(emulated: Emulated, key: str) -> None:
    emulated.needs("cors")
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,if-none-match"}
    url = f"{emulated.endpoint.url}/{emulated.bucket}/{key}"
    with requests.Session() as browser:
        browser.trust_env = False
        ours, foreign = (
            browser.options(url, headers={"Origin": origin, **asked}, timeout=HTTP_SECONDS_MAX)
            for origin in ("http://page.example", "http://evil.example")
        )
    assert ours.headers["Access-Control-Allow-Origin"] == "http://page.example"
    assert foreign.headers.get("Access-Control-Allow-Origin") not in ("*", "http://evil.example")
