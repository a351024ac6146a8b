"""The errors that this program raises on purpose. The class says what happens next.

    ImporterError
    ├── Rejected                     the caller must change something: answered as 4xx, never retried
    │   ├── Invalid                  422: the request or the file breaks a rule
    │   │   └── Unsafe               the URL or a header of a webhook (webhooks/outbound/unsafe.py)
    │   ├── Forbidden                403: the token lacks the scope
    │   ├── NotFound                 404: the thing does not exist
    │   ├── Conflict                 409: the state of the thing does not allow this
    │   ├── NoLongerKept             410: the thing existed, and was removed because it was old
    │   ├── PreconditionFailed       412: the thing has changed since the caller read it
    │   ├── TooLarge                 413: the body (functions/api/request_parsing.py)
    │   ├── UnsupportedMediaType     415: the body is not JSON (functions/api/request_parsing.py)
    │   ├── TooMany                  429: the token has used up what it may use at a time
    │   └── UnreadableFile           the uploaded file cannot be imported at all: its import fails with this reason
    ├── Transient                    infrastructure failed: answered as 503, retried by the queue
    │   └── TimedOut                 the database did not do it in time: a chunk comes back in smaller pieces
    ├── FileUnavailable              a stored object cannot be read: an import of it fails with this reason
    │   ├── FileGone                 the object, or that version of it, is no longer stored
    │   └── FileRefused              S3 refuses to return it: archived, encrypted, no permission (backends/s3_errors.py)
    ├── UploadGone                   a multipart upload was removed before it was finished
    ├── Unreachable                  a customer's server did not answer (webhooks/outbound/post.py)
    ├── Unsealable                   a stored secret cannot be opened (backends/sealing.py)
    ├── MissingSetting               the process is misconfigured (settings.py)
    └── MigrationError               the database cannot be migrated (backends/migrations.py)

FileUnavailable to Unsealable are caught by the functions that expect them. Anything that gets out, and anything else
that is raised, is a bug or a mistake in the setup: answered as 500, retried by the queue, then dead-lettered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with a request. `pointer` is a JSON pointer into the body, or a parameter's name."""

    pointer: str
    message: str


class ImporterError(Exception):
    """Base of every error raised on purpose. The message is user interface: what happened, to what, what to do."""


class Rejected(ImporterError):
    """The caller must change something. `code` is stable and machine-readable; `status` is the HTTP status.

    `members` are further members of the problem document: what a program needs in order to continue, such as an id.
    """

    status = 400
    code = "rejected"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.errors = errors
        self.members = dict(members or {})


class Invalid(Rejected):
    """The request breaks a rule."""

    status = 422
    code = "invalid"


class Forbidden(Rejected):
    """The token lacks the scope."""

    status = 403
    code = "forbidden"


class NotFound(Rejected):
    """The thing does not exist."""

    status = 404
    code = "not_found"


class Conflict(Rejected):
    """The state of the thing does not allow this."""

    status = 409
    code = "conflict"


class NoLongerKept(Rejected):
    """The thing existed, and was removed because it was old."""

    status = 410
    code = "no_longer_kept"


class PreconditionFailed(Rejected):
    """The thing has changed since the caller read it."""

    status = 412
    code = "precondition_failed"


class TooMany(Rejected):
    """The token has used up what it may use at a time. The same request may succeed after `retry_after_seconds`."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, code: str, retry_after_seconds: int) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class UnreadableFile(Rejected):
    """The uploaded file cannot be imported at all; its import fails with this message and code."""

    status = 422
    code = "unreadable_file"


class Transient(ImporterError):
    """Infrastructure failed; a later try may succeed."""


class TimedOut(Transient):
    """The database did not complete a statement in the time it has. Less work at a time may succeed."""


class FileUnavailable(ImporterError):
    """An object cannot be read. An import of it fails with this code and message."""

    code = "file_unavailable"
    retryable = False
    """Whether the object can become readable, so that a retry helps."""


class FileGone(FileUnavailable):
    """The object, or that version of it, is no longer stored."""

    code = "file_gone"


class FileRefused(FileUnavailable):
    """The object is stored, but S3 refuses to return it."""

    def __init__(self, message: str, *, code: str, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class UploadGone(ImporterError):
    """A multipart upload was removed before it was finished."""
