"""Every error the domain raises. The class says what happens next.

    ImporterError
    ├── Rejected            the caller must change something: answered as 4xx, never retried
    │   ├── Invalid         422: the request or the file breaks a rule
    │   ├── Unauthorized    401: no token, or one that is not known
    │   ├── Forbidden       403: the token lacks the scope
    │   ├── NotFound        404
    │   ├── Conflict        409: the thing is not in a state that allows this
    │   ├── PreconditionFailed  412: the thing is no longer what the caller has seen
    │   └── UnreadableFile  the uploaded file cannot be imported at all: its import fails with this reason
    └── Transient           infrastructure let us down: answered as 503, retried by the queue

Anything else that is raised is our bug: answered as 500, retried by the queue, then dead-lettered.
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

    `members` are further members of the problem document: what a program needs to go on, such as an id.
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


class Unauthorized(Rejected):
    """There is no token, or it is not known."""

    status = 401
    code = "unauthorized"


class Forbidden(Rejected):
    """The token lacks the scope."""

    status = 403
    code = "forbidden"


class NotFound(Rejected):
    """There is no such thing."""

    status = 404
    code = "not_found"


class Conflict(Rejected):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"


class PreconditionFailed(Rejected):
    """The thing is no longer what the caller has seen."""

    status = 412
    code = "precondition_failed"


class UnreadableFile(Rejected):
    """The uploaded file cannot be imported at all; its import fails with this message and code."""

    status = 422
    code = "unreadable_file"


class Transient(ImporterError):
    """Infrastructure let us down; trying again later may work."""
