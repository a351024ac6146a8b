"""What each error of S3 means to its caller: one table.

S3 names an error in the body of its answer. The answer to HEAD has no body, so botocore gives its status ("403") as the
code, which does not say why. Therefore `S3FileStore` uses HEAD only for empty objects, which have no byte to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)

from chalicelib.errors import FileGone, FileRefused, ImporterError, Transient, UploadGone


class Meaning(Enum):
    """What an error means, if it is not a refusal."""

    GONE = auto()
    """The object, or that version of it, is not stored: FileGone."""
    UPLOAD_GONE = auto()
    """The multipart upload is not there: UploadGone."""
    TRANSIENT = auto()
    """Another try may succeed: Transient."""
    OURS = auto()
    """A bug, or a mistake in the setup: raised as it is, so that an alarm goes off."""


@dataclass(frozen=True)
class Refusal:
    """S3 stores an object but refuses to return it: FileRefused, when an object is read."""

    code: str
    """The error code of an import whose file is refused."""
    reason: str
    """Continues a sentence that begins with the object's key."""
    remedy: str
    retryable: bool
    """Whether the object can become readable. Then a retry of the import helps."""


GONE, UPLOAD_GONE, TRANSIENT, OURS = Meaning.GONE, Meaning.UPLOAD_GONE, Meaning.TRANSIENT, Meaning.OURS
ARCHIVED = Refusal(
    "file_archived",
    "is in an archive storage class of S3 and cannot be read from there",
    "Restore it in S3, then retry the import, or upload it again in the storage class STANDARD.",
    retryable=True,
)
UPLOADERS_KEY = Refusal(
    "file_encrypted",
    "is encrypted with a key that only its uploader has (SSE-C)",
    "Upload it again without such a key.",
    retryable=False,
)
UNUSABLE_KEY = Refusal(
    "file_encrypted",
    "is encrypted with a KMS key that cannot be used: it is disabled, deleted or not available",
    "Enable the key, then retry the import, or upload the file again without that key.",
    retryable=True,
)
DENIED = Refusal(
    "file_access_denied",
    "may not be read by the importer",
    "Allow the importer to read it in the bucket's policy and, if it is encrypted with a KMS key, to decrypt with that"
    " key. Then retry the import.",
    retryable=True,
)

ERRORS: Mapping[str, Meaning | Refusal] = {
    # The object. S3 answers MethodNotAllowed for a version that is a delete marker.
    "NoSuchKey": GONE,
    "NoSuchVersion": GONE,
    "MethodNotAllowed": GONE,
    "NoSuchUpload": UPLOAD_GONE,
    "InvalidObjectState": ARCHIVED,
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    # Encryption. Codes that begin with KMS. are those of AWS KMS, which S3 passes on; _meaning knows the rest of them.
    "KMS.AccessDeniedException": DENIED,
    "KMS.DisabledException": UNUSABLE_KEY,
    "KMS.InvalidKeyUsageException": UNUSABLE_KEY,
    "KMS.KMSInvalidStateException": UNUSABLE_KEY,
    "KMS.NotFoundException": UNUSABLE_KEY,
    "KMS.DependencyTimeoutException": TRANSIENT,
    "KMS.KMSInternalException": TRANSIENT,
    "KMS.KeyUnavailableException": TRANSIENT,
    "KMS.LimitExceededException": TRANSIENT,
    "KMS.ThrottlingException": TRANSIENT,
    # Load, faults of S3, and requests that arrived damaged or late.
    "BadDigest": TRANSIENT,
    "BandwidthLimitExceeded": TRANSIENT,
    "ConditionalRequestConflict": TRANSIENT,
    "IncompleteBody": TRANSIENT,
    "InternalError": TRANSIENT,
    "OperationAborted": TRANSIENT,
    "RequestLimitExceeded": TRANSIENT,
    "RequestTimeout": TRANSIENT,
    "ServiceUnavailable": TRANSIENT,
    "SlowDown": TRANSIENT,
    "TemporaryRedirect": TRANSIENT,
    "Throttling": TRANSIENT,
    "ThrottlingException": TRANSIENT,
    "TooManyRequestsException": TRANSIENT,
    # The function's credentials and clock: another invocation has new ones.
    "ExpiredToken": TRANSIENT,
    "RequestTimeTooSkewed": TRANSIENT,
    "TokenRefreshRequired": TRANSIENT,
    # The setup.
    "AccountProblem": OURS,
    "AuthorizationHeaderMalformed": OURS,
    "IllegalLocationConstraintException": OURS,
    "InvalidAccessKeyId": OURS,
    "InvalidBucketName": OURS,
    "InvalidBucketState": OURS,
    "InvalidPayer": OURS,
    "InvalidSecurity": OURS,
    "InvalidToken": OURS,
    "NoSuchBucket": OURS,
    "NotSignedUp": OURS,
    "PermanentRedirect": OURS,
    "SignatureDoesNotMatch": OURS,
    # What we ask for. SSE-C is an InvalidRequest too: see _meaning.
    "EntityTooLarge": OURS,
    "EntityTooSmall": OURS,
    "InvalidArgument": OURS,
    "InvalidDigest": OURS,
    "InvalidPart": OURS,
    "InvalidPartOrder": OURS,
    "InvalidRange": OURS,
    "InvalidRequest": OURS,
    "KeyTooLongError": OURS,
    "NotImplemented": OURS,
    "PreconditionFailed": OURS,
    # Answers to HEAD, of an empty object.
    "301": OURS,
    "400": UPLOADERS_KEY,
    "403": DENIED,
    "404": GONE,
    "405": GONE,
    "412": OURS,
    "416": OURS,
    "429": TRANSIENT,
}
"""By error code. A code that is not listed is TRANSIENT if its HTTP status is 5xx, else OURS."""

_SSE_C_CODE = "InvalidRequest"
_SSE_C_TEXT = "server side encryption"
"""S3 has no code of its own for an object with SSE-C, only this text in the message."""
_SERVER_FAULT = 500
_UNREACHABLE = (
    ChecksumError,
    ConnectionError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    OSError,
)
"""S3, or the source of the credentials, could not be reached, or the answer was damaged. Botocore's others are ours."""


@contextmanager
def translated(key: str, *, reads: bool = False) -> Iterator[None]:
    """Raises our errors instead of botocore's: FileGone, UploadGone, Transient; FileRefused if an object is read.

    Where nothing is read, a refusal is ours: the functions may write what they write.
    """
    try:
        yield
    except ClientError as error:
        meant = _translation(error, key, reads)
        if meant is None:
            raise
        raise meant from error
    except _UNREACHABLE as error:
        raise Transient(f"S3 could not be reached for {key}: {type(error).__name__}") from error


def _translation(error: ClientError, key: str, reads: bool) -> ImporterError | None:
    code = error.response["Error"]["Code"]
    match _meaning(error):
        case Refusal() as refusal if reads:
            message = f"“{key}” {refusal.reason} (S3 answers {code}). {refusal.remedy}"
            return FileRefused(message, code=refusal.code, retryable=refusal.retryable)
        case Meaning.GONE:
            return FileGone(f"“{key}” is no longer stored. Upload it again.")
        case Meaning.UPLOAD_GONE:
            return UploadGone(f"the upload of {key} was removed")
        case Meaning.TRANSIENT:
            return Transient(f"S3 answered {code} for {key}")
    return None


def _meaning(error: ClientError) -> Meaning | Refusal:
    code = error.response["Error"]["Code"]
    if code == _SSE_C_CODE and _SSE_C_TEXT in error.response["Error"].get("Message", "").lower():
        return UPLOADERS_KEY
    if code in ERRORS:
        return ERRORS[code]
    if code.startswith("KMS."):
        return UNUSABLE_KEY
    return TRANSIENT if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT else OURS


def is_beyond_the_end(error: ClientError) -> bool:
    """Whether a range begins after the object's last byte, as the first byte of an empty object does."""
    return error.response["Error"]["Code"] == "InvalidRange"
