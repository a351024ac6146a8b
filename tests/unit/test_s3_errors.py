"""What happens at each error of S3: the codes are those of S3's documentation, sent by a stub and by a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from chalicelib.backends import s3_errors
from chalicelib.backends.s3 import S3FileStore
from chalicelib.errors import FileGone, FileRefused, Transient, UploadGone

KEY = "uploads/spring.csv"
CREDENTIALS = ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve"
    " the object."
)

GONE = {"NoSuchKey": 404, "NoSuchVersion": 404, "MethodNotAllowed": 405, "404": 404, "405": 405}
REFUSED = {
    "InvalidObjectState": (403, "file_archived", True),
    "AccessDenied": (403, "file_access_denied", True),
    "AllAccessDisabled": (403, "file_access_denied", True),
    "KMS.AccessDeniedException": (400, "file_access_denied", True),
    "KMS.DisabledException": (400, "file_encrypted", True),
    "KMS.InvalidKeyUsageException": (400, "file_encrypted", True),
    "KMS.KMSInvalidStateException": (400, "file_encrypted", True),
    "KMS.NotFoundException": (400, "file_encrypted", True),
    "400": (400, "file_encrypted", False),
    "403": (403, "file_access_denied", True),
}
TRANSIENT = {
    "BadDigest": 400,
    "BandwidthLimitExceeded": 503,
    "ConditionalRequestConflict": 409,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "KMS.DependencyTimeoutException": 503,
    "KMS.KMSInternalException": 500,
    "KMS.KeyUnavailableException": 500,
    "KMS.LimitExceededException": 400,
    "KMS.ThrottlingException": 400,
    "OperationAborted": 409,
    "RequestLimitExceeded": 503,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "TemporaryRedirect": 307,
    "Throttling": 400,
    "ThrottlingException": 400,
    "TokenRefreshRequired": 400,
    "TooManyRequestsException": 429,
    "429": 429,
}
OURS = {
    "AccountProblem": 403,
    "AuthorizationHeaderMalformed": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IllegalLocationConstraintException": 400,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidBucketState": 409,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidPayer": 403,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidSecurity": 403,
    "InvalidToken": 400,
    "KeyTooLongError": 400,
    "NoSuchBucket": 404,
    "NotImplemented": 501,
    "NotSignedUp": 403,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "SignatureDoesNotMatch": 403,
    "301": 301,
    "412": 412,
    "416": 416,
}


@pytest.fixture(scope="module")
def store() -> Iterator[S3FileStore]:
    """One client for all tests: creating it takes longer than any of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CREDENTIALS:
            patch.setenv(name, "test-1")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield S3FileStore("bucket")


@contextmanager
def answering(
    store: S3FileStore, code: str, status: int, message: str = "", method: str = "get_object"
) -> Iterator[None]:
    with Stubber(store._s3) as stub:
        stub.add_client_error(method, service_error_code=code, http_status_code=status, service_message=message)
        yield


def read(store: S3FileStore) -> bytes:
    return store.read(KEY, "v1", 0, 10)


def test_every_error_in_the_table_is_tested() -> None:
    assert {*GONE, *REFUSED, *TRANSIENT, *OURS, "NoSuchUpload"} == set(s3_errors.ERRORS)


@pytest.mark.parametrize("code", GONE)
def test_an_object_that_is_not_stored_is_gone(store: S3FileStore, code: str) -> None:
    with answering(store, code, GONE[code]), pytest.raises(FileGone, match=r"uploads/spring\.csv.*Upload it again"):
        read(store)


@pytest.mark.parametrize("code", REFUSED)
def test_an_object_that_is_refused_says_why_and_what_to_do(store: S3FileStore, code: str) -> None:
    status, expected, retryable = REFUSED[code]
    with (
        answering(store, code, status),
        pytest.raises(FileRefused, match=r"^“uploads/spring\.csv” .+\. .+\.$") as error,
    ):
        read(store)
    assert (error.value.code, error.value.retryable) == (expected, retryable)
    assert ("retry the import" in str(error.value)) == retryable
    assert f"(S3 answers {code})" in str(error.value)


@pytest.mark.parametrize("code", TRANSIENT)
def test_what_may_succeed_later_is_transient(store: S3FileStore, code: str) -> None:
    with answering(store, code, TRANSIENT[code]), pytest.raises(Transient):
        read(store)


@pytest.mark.parametrize("code", OURS)
def test_a_fault_of_ours_is_raised_as_it_is(store: S3FileStore, code: str) -> None:
    with answering(store, code, OURS[code]), pytest.raises(ClientError):
        read(store)


def test_an_upload_in_parts_that_was_removed_is_gone(store: S3FileStore) -> None:
    with answering(store, "NoSuchUpload", 404, method="upload_part"), pytest.raises(UploadGone):
        store.write_part(KEY, "upload", 1, b"x")


def test_encryption_with_the_uploaders_key_is_known_by_its_message(store: S3FileStore) -> None:
    with answering(store, "InvalidRequest", 400, SSE_C), pytest.raises(FileRefused) as error:
        read(store)
    assert (error.value.code, error.value.retryable) == ("file_encrypted", False)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("KMS.SomethingNewException", 400, FileRefused),
        ("SomethingNew", 500, Transient),
        ("503", 503, Transient),
        ("SomethingNew", 403, ClientError),
        ("SomethingNew", 400, ClientError),
    ],
)
def test_codes_that_we_do_not_know_are_judged_by_their_kind(
    store: S3FileStore, code: str, status: int, expected: type[Exception]
) -> None:
    with answering(store, code, status), pytest.raises(expected):
        read(store)


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_where_nothing_is_read_is_ours(store: S3FileStore, code: str) -> None:
    with answering(store, code, REFUSED[code][0], method="create_multipart_upload"), pytest.raises(ClientError):
        store.begin_parts("exports/1.csv")
    with answering(store, code, REFUSED[code][0], method="list_object_versions"), pytest.raises(ClientError):
        store.list_versions("uploads/", 10, None, None)


@pytest.mark.parametrize("read_it", ["find", "read", "blocks"])
def test_every_way_to_read_an_object_says_why_it_cannot(store: S3FileStore, read_it: str) -> None:
    ways: dict[str, Any] = {
        "find": lambda: store.find(KEY, "v1"),
        "read": lambda: read(store),
        "blocks": lambda: list(store.blocks(KEY, "v1", 0, 10)),
    }
    with answering(store, "InvalidObjectState", 403), pytest.raises(FileRefused, match="archive storage class"):
        ways[read_it]()


@dataclass(frozen=True)
class Reply:
    """What the server answers to one method of HTTP."""

    status: int
    code: str


class _S3(BaseHTTPRequestHandler):
    replies: dict[str, Reply]

    def do_GET(self) -> None:
        reply = self.replies[self.command]
        body = f"<Error><Code>{reply.code}</Code><Message>x</Message><RequestId>1</RequestId></Error>".encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def real_store(monkeypatch: pytest.MonkeyPatch, **replies: Reply) -> Iterator[S3FileStore]:
    """A store whose server answers every request with an error, as S3 writes it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("S3", (_S3,), {"replies": replies}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        for name in CREDENTIALS:
            monkeypatch.setenv(name, "test-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield S3FileStore("bucket")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "InvalidObjectState", "file_archived"),
        (403, "AccessDenied", "file_access_denied"),
        (400, "KMS.DisabledException", "file_encrypted"),
        (404, "NoSuchVersion", "file_gone"),
        (405, "MethodNotAllowed", "file_gone"),
    ],
)
def test_finding_an_object_reads_it_so_the_reason_is_known(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, expected: str
) -> None:
    with real_store(monkeypatch, GET=Reply(status, code)) as store, pytest.raises((FileRefused, FileGone)) as error:
        store.find(KEY, "v1")
    assert error.value.code == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, "file_encrypted"), (403, "file_access_denied"), (404, "file_gone"), (405, "file_gone")],
)
def test_only_an_empty_object_is_asked_for_without_reading_it(
    monkeypatch: pytest.MonkeyPatch, status: int, expected: str
) -> None:
    replies = {"GET": Reply(416, "InvalidRange"), "HEAD": Reply(status, "")}
    with real_store(monkeypatch, **replies) as store, pytest.raises((FileRefused, FileGone)) as error:
        store.find(KEY, "v1")
    assert error.value.code == expected


def test_a_server_that_cannot_be_reached_is_transient(store: S3FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store._s3, "get_object", _raise(EndpointConnectionError(endpoint_url="http://s3")))
    with pytest.raises(Transient):
        read(store)


def test_missing_credentials_are_ours(store: S3FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store._s3, "get_object", _raise(NoCredentialsError()))
    with pytest.raises(NoCredentialsError):
        read(store)


def _raise(error: Exception) -> Any:
    def call(**_: object) -> None:
        raise error

    return call
