"""The file store in S3: a bucket with versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from chalicelib.backends.clients import DATA_READ_SECONDS_MAX, client_config
from chalicelib.backends.file_store import CSV_TYPE, PresignedUpload, StoredFile, StoredPart
from chalicelib.backends.s3_errors import is_beyond_the_end, translated
from chalicelib.errors import FileGone, UploadGone
from chalicelib.limits import DOWNLOAD_EXPIRES_SECONDS, MIB, UPLOAD_EXPIRES_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SKIP_BYTES = 1 * MIB
WRITE_PART_BYTES = 16 * MIB
"""Part size of a written object: the 10,000 parts that S3 allows hold more than any file."""
_PART_CHECKSUM: Literal["CRC32"] = "CRC32"
"""S3 compares it with what it received, for each part and for the whole object."""


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
        with translated(key, reads=True):
            try:
                found: Mapping[str, Any] = self._s3.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0", **named)
                _finish(found)
            except ClientError as error:
                if not is_beyond_the_end(error):
                    raise
                found = self._s3.head_object(Bucket=self.bucket, Key=key, **named)
        return StoredFile(key, found.get("VersionId", "null"), _size_of(found), found["LastModified"])

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with translated(key, reads=True):
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-{end - 1}"
            )
            data = answer["Body"].read()
        return data if _is_part(answer) else data[start:end]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        with translated(key, reads=True):
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, VersionId=version, Range=f"bytes={start}-")
            if not _is_part(answer):
                _skip(answer["Body"], start)
            while block := answer["Body"].read(block_bytes):
                yield block

    def write(self, key: str, blocks: Iterable[bytes]) -> StoredFile:
        with translated(key):
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
        with translated(key):
            begun = self._s3.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=CSV_TYPE, ChecksumAlgorithm=_PART_CHECKSUM
            )
        return begun["UploadId"]

    def write_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
        with translated(key):
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
            with translated(key):
                self._s3.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": cast(Any, list(parts))}
                )
            return self.find(key)
        except UploadGone:
            try:
                return self.find(key)
            except FileGone:
                raise UploadGone(f"the upload of {key} was removed") from None

    def versions_of(self, key: str, limit: int) -> list[StoredFile]:
        # Longer keys that begin with this one come after it.
        listed, _, _ = self.list_versions(key, limit, None, None)
        return [each for each in listed if each.key == key]

    def list_versions(
        self, prefix: str, limit: int, key_marker: str | None, version_marker: str | None
    ) -> tuple[list[StoredFile], str | None, str | None]:
        markers: dict[str, Any] = {}
        if key_marker and version_marker:
            markers = {"KeyMarker": key_marker, "VersionIdMarker": version_marker}
        with translated(prefix):
            page = self._s3.list_object_versions(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **markers)
        versions = [
            StoredFile(each["Key"], each["VersionId"], each["Size"], each["LastModified"])
            for each in page.get("Versions", [])
        ]
        return versions, page.get("NextKeyMarker"), page.get("NextVersionIdMarker")


def _is_part(answer: Mapping[str, Any]) -> bool:
    """Whether the answer is the range. A server may send the whole object instead; ministack does, for a version."""
    return "ContentRange" in answer


def _finish(answer: Mapping[str, Any]) -> None:
    """Reads the one byte that was asked for, so that the connection can be used again. Drops what follows it."""
    with closing(answer["Body"]) as body:
        body.read(1)


def _size_of(answer: Mapping[str, Any]) -> int:
    """The size of the whole object, from an answer with its first byte, with all of it, or without content."""
    if _is_part(answer):
        return int(answer["ContentRange"].rpartition("/")[2])
    return int(answer["ContentLength"])


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
