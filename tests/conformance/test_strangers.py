"""The emulator serves the clients of this machine: no other web page, no other host name, nothing unsigned."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from chalicelib.backends.s3 import S3FileStore
from infra.local.s3_sqs.request_guard import RequestGuard
from tests.conformance.conftest import PAGE, Emulated
from tests.conformance.stores import HTTP_SECONDS_MAX

EVIL = "http://evil.example"
CSV = b"sku,name\nEVIL-1,Planted\n"
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture(autouse=True)
def _closed(emulated: Emulated) -> None:
    emulated.needs("closed")


def ask(emulated: Emulated, method: str, path: str, **options: Any) -> requests.Response:
    """Sends a request as a stranger does: without a signature, unless the options add one."""
    url = path if path.startswith("http") else f"{emulated.endpoint.url}{path}"
    with requests.Session() as browser:
        browser.trust_env = False
        return browser.request(method, url, timeout=HTTP_SECONDS_MAX, **options)


def plant(emulated: Emulated, key: str, **headers: str) -> requests.Response:
    """Submits the form of a foreign page that uploads a file."""
    form = {"data": {"key": key}, "files": {"file": ("x.csv", CSV)}}
    return ask(emulated, "POST", f"/{emulated.bucket}", headers=headers, **form)


def is_stored(emulated: Emulated, key: str) -> bool:
    found = emulated.endpoint.s3().list_objects_v2(Bucket=emulated.bucket, Prefix=key)
    return found["KeyCount"] > 0


@pytest.mark.parametrize(
    "origin", [EVIL, "null", f"{PAGE}.evil.example", PAGE.replace("http:", "https:"), f"{PAGE}:81"]
)
def test_a_form_on_another_page_uploads_nothing(emulated: Emulated, origin: str) -> None:
    key = f"uploads/form-{quote(origin, safe='')}.csv"
    assert plant(emulated, key, Origin=origin).status_code == 403
    assert plant(emulated, key, Origin=origin, Authorization=SIGNED).status_code == 403
    assert not is_stored(emulated, key)


def test_an_unsigned_form_uploads_nothing_even_without_an_origin(emulated: Emulated) -> None:
    for headers in ({}, {"Origin": PAGE}, {"Authorization": "Basic dGVzdDp0ZXN0"}):
        assert plant(emulated, "uploads/unsigned.csv", **headers).status_code == 403
    assert not is_stored(emulated, "uploads/unsigned.csv")


@pytest.mark.parametrize(
    "name", ["evil.example:{}", "evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{}"]
)
def test_a_name_that_was_rebound_to_this_machine_lists_nothing(emulated: Emulated, name: str) -> None:
    host = name.format(urlsplit(emulated.endpoint.url).port)
    for path in ("/", f"/{emulated.bucket}?list-type=2", "/_localstack/health"):
        answer = ask(emulated, "GET", path, headers={"Host": host, "Authorization": SIGNED})
        assert answer.status_code == 403
        assert "another host" in answer.text
        assert emulated.bucket not in answer.text


def test_unsigned_requests_read_and_change_nothing(emulated: Emulated) -> None:
    queue = urlsplit(emulated.uploads_url).path
    for method, path in (
        ("GET", "/"),
        ("GET", f"/{emulated.bucket}"),
        ("PUT", f"/{emulated.bucket}/uploads/unsigned.csv"),
        ("DELETE", f"/{emulated.bucket}"),
        ("GET", f"{queue}?Action=PurgeQueue"),
        ("GET", f"/_aws/sqs/messages?QueueUrl={quote(emulated.uploads_url)}"),
        ("POST", "/_localstack/health"),
        ("OPTIONS", "/"),
    ):
        assert ask(emulated, method, path, data=CSV).status_code == 403, (method, path)


def test_an_image_on_another_page_sends_no_message(emulated: Emulated) -> None:
    sqs = emulated.endpoint.sqs()
    url = sqs.create_queue(QueueName="strangers")["QueueUrl"]
    for signature in ("X-Amz-Signature=0", "Signature=0", "X-Amz-Signature=0&X-Amz-Credential=test"):
        path = f"{urlsplit(url).path}?Action=SendMessage&MessageBody=planted&{signature}"
        assert ask(emulated, "GET", path).status_code == 403
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_other_pages_learn_nothing_from_a_preflight(emulated: Emulated) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    answer = ask(emulated, "OPTIONS", f"/{emulated.bucket}/uploads/x.csv", headers={"Origin": EVIL, **asked})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_page_uploads_and_downloads_by_link(ours: Emulated) -> None:
    files, key = S3FileStore(ours.bucket), "elsewhere/by-link.csv"
    link = files.presign_upload(key, len(CSV), "text/csv")
    local = ours.endpoint.url.replace("127.0.0.1", "localhost")
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    assert ask(ours, "OPTIONS", link.url, headers=asked).ok
    sent = ask(ours, "PUT", link.url, data=CSV, headers={**link.headers, "Origin": PAGE})
    assert sent.status_code == 200
    assert sent.headers["Access-Control-Allow-Origin"] in (PAGE, "*")
    assert ask(ours, "PUT", link.url, data=CSV, headers={**link.headers, "Origin": EVIL}).status_code == 403
    assert ask(ours, "GET", f"{local}/{ours.bucket}/{key}", headers={"Authorization": SIGNED}).content == CSV


def test_the_refusal_says_what_to_do(emulated: Emulated) -> None:
    text = ask(emulated, "GET", f"/{emulated.bucket}").text
    assert "Use the access key and the secret key of the stack, or a presigned link." in text


def test_every_page_may_use_it_if_the_bucket_says_so() -> None:
    guard = RequestGuard(["127.0.0.1:1"], ["*"])
    headers = [("host", "127.0.0.1:1"), ("Origin", EVIL), ("Authorization", SIGNED)]
    assert guard.refusal("GET", "/", "", headers) is None
    assert guard.refusal("GET", "/", "", [*headers, ("Host", "evil.example")]) is not None
