"""The file store: an S3 bucket with versions. Every read names the version, so a replaced object never mixes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from chalicelib.errors import ImporterError, Transient
from chalicelib.limits import DOWNLOAD_EXPIRES_SECONDS, REWRITE_PART_BYTES, UPLOAD_EXPIRES_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 30
ATTEMPTS_MAX = 3
SKIP_BYTES = 1024 * 1024
_PART_CHECKSUM: Literal["CRC32"] = "CRC32"
"""S3 compares it with what it received, for each part and for the object."""
CSV_TYPE = "text/csv; charset=utf-8"
_GONE = {"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed", "405"}


class FileGone(ImporterError):
    """The object, or that version of it, is no longer stored."""


class UploadGone(ImporterError):
    """A multipart upload was removed before it was finished."""


StoredPart = dict[str, Any]
"""A part of a multipart upload, as S3 wants to hear of it at the end. It can be kept as JSON."""


@dataclass(frozen=True)
class StoredFile:
    """One version of one object. `size_bytes` and `modified_at` are what S3 says of it."""

    key: str
    version: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class PresignedUpload:
    """How a client may put one object: exactly these headers, until `expires_at`."""

    url: str
    headers: dict[str, str]
    expires_at: datetime
    method: str = "PUT"


class Files:
    """One bucket. `public_endpoint` is the host put into presigned links, where it is not the one functions use."""

    def __init__(self, bucket: str, public_endpoint: str | None = None) -> None:
        self.bucket = bucket
        self._s3 = _client(None)
        self._signer = _client(public_endpoint) if public_endpoint else self._s3

    def presign_upload(self, key: str, size_bytes: int, content_type: str) -> PresignedUpload:
        """A link for one PUT of exactly `size_bytes`. It cannot replace an object that is there already."""
        signed = {"ContentLength": size_bytes, "ContentType": content_type, "IfNoneMatch": "*"}
        url = self._signer.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, **signed},
            ExpiresIn=UPLOAD_EXPIRES_SECONDS,
        )
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        return PresignedUpload(url, headers, datetime.now(UTC) + timedelta(seconds=UPLOAD_EXPIRES_SECONDS))

    def presign_download(self, key: str, version: str, filename: str) -> str:
        """A link that downloads one version of a CSV under a name. It is a secret for as long as it lives."""
        return self._signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "VersionId": version,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
                "ResponseContentType": CSV_TYPE,
            },
            ExpiresIn=DOWNLOAD_EXPIRES_SECONDS,
        )

    def find(self, key: str, version: str | None = None) -> StoredFile:
        """What S3 knows of an object; of its newest version unless one is named. Raises FileGone, Transient."""
        named: dict[str, Any] = {"VersionId": version} if version else {}
        with _translated(key):
            head = self._s3.head_object(Bucket=self.bucket, Key=key, **named)
        return StoredFile(key, head.get("VersionId", "null"), head["ContentLength"], head["LastModified"])

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        """Bytes start..end (half-open) of one version. Raises FileGone, Transient."""
        if start >= end:
            return b""
        with _translated(key):
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-{end - 1}"
            )
            data = answer["Body"].read()
        return data if _is_part(answer) else data[start:end]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        """The object from `start` to its end, in blocks. Raises FileGone, Transient."""
        with _translated(key):
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-")
            if not _is_part(answer):
                _skip(answer["Body"], start)
            while block := answer["Body"].read(block_bytes):
                yield block

    def write(self, key: str, blocks: Iterable[bytes]) -> StoredFile:
        """Streams blocks into a new version of an object, holding a few parts in memory. Raises Transient."""
        with _translated(key):
            self._s3.upload_fileobj(
                cast(BinaryIO, _Stream(iter(blocks))),
                self.bucket,
                key,
                Config=TransferConfig(
                    multipart_threshold=REWRITE_PART_BYTES,
                    multipart_chunksize=REWRITE_PART_BYTES,
                    use_threads=False,
                ),
            )
        return self.find(key)

    def begin_parts(self, key: str) -> str:
        """Begins an object that is written in parts, by as many processes as it takes. Raises Transient."""
        with _translated(key):
            begun = self._s3.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=CSV_TYPE, ChecksumAlgorithm=_PART_CHECKSUM
            )
        return begun["UploadId"]

    def write_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
        """One part, of 5 MiB or more unless it is the last, numbered from 1 to 10,000. Raises UploadGone, Transient."""
        with _upload_translated(key):
            stored = self._s3.upload_part(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=data,
                ChecksumAlgorithm=_PART_CHECKSUM,
            )
        # Emulators may leave out the checksum.
        told = {name: str(value) for name, value in stored.items() if name in {"ETag", "ChecksumCRC32"}}
        return {"PartNumber": number, **told}

    def finish_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> StoredFile:
        """Makes the object of these parts, which ascend. Doing it again finds the object. Raises UploadGone, Transient.

        Only for keys that nothing else writes: an object at the key of an upload that is gone is taken for its result.
        """
        try:
            with _upload_translated(key):
                self._s3.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": cast(Any, list(parts))}
                )
            return self.find(key)
        except UploadGone:
            try:
                return self.find(key)
            except FileGone:
                raise UploadGone(f"the upload of {key} was removed") from None

    def list_versions(
        self, prefix: str, limit: int, key_marker: str | None, version_marker: str | None
    ) -> tuple[list[StoredFile], str | None, str | None]:
        """Up to `limit` (≤ 1000) object versions after the markers, and the next page's markers. Raises Transient."""
        markers: dict[str, Any] = {}
        if key_marker and version_marker:
            markers = {"KeyMarker": key_marker, "VersionIdMarker": version_marker}
        with _translated(prefix):
            page = self._s3.list_object_versions(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **markers)
        found = [
            StoredFile(each["Key"], each["VersionId"], each["Size"], each["LastModified"])
            for each in page.get("Versions", [])
        ]
        return found, page.get("NextKeyMarker"), page.get("NextVersionIdMarker")


def _is_part(answer: Mapping[str, Any]) -> bool:
    """Whether a range was answered with the range. A server may send the whole; ministack does, for a version."""
    return "ContentRange" in answer


def _skip(body: StreamingBody, count: int) -> None:
    while count > 0 and (skipped := body.read(min(count, SKIP_BYTES))):
        count -= len(skipped)


class _Stream:
    """A minimal readable file over an iterator of blocks, for boto3's managed upload."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = bytearray()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest += block
        size = len(self._rest) if size < 0 else size
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


def _client(endpoint: str | None) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        config=Config(
            # SigV2, boto3's choice for presigned links elsewhere, silently drops the signed headers.
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
        ),
    )


@contextmanager
def _upload_translated(key: str) -> Iterator[None]:
    try:
        with _translated(key):
            yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchUpload":
            raise UploadGone(f"the upload of {key} was removed") from error
        raise


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            raise FileGone(f"{key} is no longer stored") from error
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or code in {"SlowDown", "RequestTimeout"}:
            raise Transient(f"S3 answered {code} for {key}") from error
        raise
    except (BotoCoreError, OSError) as error:
        raise Transient(f"S3 could not be reached for {key}: {type(error).__name__}") from error
