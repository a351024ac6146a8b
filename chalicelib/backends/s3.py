"""The file store in S3: a bucket with versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from chalicelib.backends.clients import DATA_READ_SECONDS_MAX, client_config
from chalicelib.backends.file_store import CSV_TYPE, PresignedUpload, StoredFile, StoredPart
from chalicelib.errors import FileGone, Transient, UploadGone
from chalicelib.limits import DOWNLOAD_EXPIRES_SECONDS, MIB, UPLOAD_EXPIRES_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SKIP_BYTES = 1 * MIB
WRITE_PART_BYTES = 16 * MIB
"""Part size of a written object: the 10,000 parts that S3 allows hold more than any file."""
_PART_CHECKSUM: Literal["CRC32"] = "CRC32"
"""S3 compares it with what it received, for each part and for the whole object."""
_GONE = {"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed", "405"}


class S3FileStore:
    """One bucket. `public_endpoint` is the address in presigned links, where it differs from the functions' own."""

    def __init__(self, bucket: str, public_endpoint: str | None = None) -> None:
        self.bucket = bucket
        self._s3 = _client(None)
        self._signer = _client(public_endpoint) if public_endpoint else self._s3

    def presign_upload(self, key: str, size_bytes: int, content_type: str) -> PresignedUpload:
        signed = {"ContentLength": size_bytes, "ContentType": content_type, "IfNoneMatch": "*"}
        url = self._signer.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, **signed},
            ExpiresIn=UPLOAD_EXPIRES_SECONDS,
        )
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        return PresignedUpload(url, headers, datetime.now(UTC) + timedelta(seconds=UPLOAD_EXPIRES_SECONDS))

    def presign_download(self, key: str, version: str, filename: str) -> str:
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
        named: dict[str, Any] = {"VersionId": version} if version else {}
        with _translated(key):
            head = self._s3.head_object(Bucket=self.bucket, Key=key, **named)
        return StoredFile(key, head.get("VersionId", "null"), head["ContentLength"], head["LastModified"])

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with _translated(key):
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-{end - 1}"
            )
            data = answer["Body"].read()
        return data if _is_part(answer) else data[start:end]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        with _translated(key):
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-")
            if not _is_part(answer):
                _skip(answer["Body"], start)
            while block := answer["Body"].read(block_bytes):
                yield block

    def write(self, key: str, blocks: Iterable[bytes]) -> StoredFile:
        with _translated(key):
            self._s3.upload_fileobj(
                cast(BinaryIO, _Stream(iter(blocks))),
                self.bucket,
                key,
                Config=TransferConfig(
                    multipart_threshold=WRITE_PART_BYTES,
                    multipart_chunksize=WRITE_PART_BYTES,
                    use_threads=False,
                ),
            )
        return self.find(key)

    def begin_parts(self, key: str) -> str:
        with _translated(key):
            begun = self._s3.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=CSV_TYPE, ChecksumAlgorithm=_PART_CHECKSUM
            )
        return begun["UploadId"]

    def write_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
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
        given = {name: str(value) for name, value in stored.items() if name in {"ETag", "ChecksumCRC32"}}
        return {"PartNumber": number, **given}

    def finish_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> StoredFile:
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
        markers: dict[str, Any] = {}
        if key_marker and version_marker:
            markers = {"KeyMarker": key_marker, "VersionIdMarker": version_marker}
        with _translated(prefix):
            page = self._s3.list_object_versions(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **markers)
        versions = [
            StoredFile(each["Key"], each["VersionId"], each["Size"], each["LastModified"])
            for each in page.get("Versions", [])
        ]
        return versions, page.get("NextKeyMarker"), page.get("NextVersionIdMarker")


def _is_part(answer: Mapping[str, Any]) -> bool:
    """Whether the answer is the range. A server may send the whole object instead; ministack does, for a version."""
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
        config=client_config(DATA_READ_SECONDS_MAX).merge(
            # SigV2, boto3's default for presigned links in some regions, silently drops the signed headers.
            Config(signature_version="s3v4", s3={"addressing_style": "path"})
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
