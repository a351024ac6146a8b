"""The Idempotency-Key header: a client can repeat a POST safely, because it is carried out once."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalice.app import Request, Response

from chalicelib.access import idempotency
from chalicelib.access.idempotency import Claim, Outcome
from chalicelib.errors import FieldError, Invalid, Transient
from chalicelib.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX
from chalicelib.telemetry import WARNING, log
from functions.api.endpoints import Endpoint
from functions.api.request_parsing import raw_body
from functions.composition import backends

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
KEY_PATTERN = rf"^[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_CHARACTERS_MAX}}}$"


def once(request: Request, endpoint: Endpoint, view: Callable[[], Response]) -> Response:
    """Returns the view's answer, or the stored one if the key was used before.

    Only successful answers are stored. A request that was refused or failed has had no effect and frees its key, so
    that the corrected request can use it. Raises what the view raises, and Rejected.
    """
    key = request.headers.get(KEY_HEADER.lower())
    if not endpoint.idempotent or key is None:
        return view()
    if not re.fullmatch(KEY_PATTERN, key):
        message = f"must be 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII characters"
        raise Invalid(f"the {KEY_HEADER} {message}", errors=(FieldError(KEY_HEADER, message),))
    token_id = uuid.UUID(request.context["authorizer"]["token_id"])
    claimed = idempotency.claim(backends().database, token_id, key, _sha256(request))
    if isinstance(claimed, Outcome):
        return _replayed(endpoint, claimed)
    with _released_on_failure(claimed):
        answer = view()
    _store(endpoint, claimed, answer)
    return answer


@contextmanager
def _released_on_failure(claimed: Claim) -> Iterator[None]:
    try:
        yield
    except Exception:
        try:
            idempotency.release(backends().database, claimed)
        except Transient as error:  # The key frees itself after a minute.
            log("an idempotency key was not released", level=WARNING, reason=str(error))
        raise


def _store(endpoint: Endpoint, claimed: Claim, answer: Response) -> None:
    """Stores the answer; if it contains a secret, only the id of what was created.

    With a presigned link in a table, anyone who can read the database or a backup of it could upload in the client's
    name. Besides, a link as old as the first answer may have expired when the client repeats its request.
    """
    headers = {name: str(value) for name, value in answer.headers.items()}
    if callable(endpoint.idempotent):
        outcome = Outcome(answer.status_code, headers, reference=headers["Location"].rpartition("/")[2])
    else:
        outcome = Outcome(answer.status_code, headers, body=str(answer.body))
    try:
        idempotency.finish(backends().database, claimed, outcome)
    except Transient as error:  # The request was carried out: answering matters more than storing the answer.
        log("an answer was not stored under its idempotency key", level=WARNING, reason=str(error))


def _replayed(endpoint: Endpoint, outcome: Outcome) -> Response:
    headers: dict[str, str | list[str]] = {**outcome.headers, REPLAYED_HEADER: "true"}
    if outcome.reference is None:
        return Response(body=outcome.body, status_code=outcome.status, headers=headers)
    assert callable(endpoint.idempotent)
    rebuilt = endpoint.idempotent(outcome.reference)
    return Response(body=rebuilt.body, status_code=outcome.status, headers={**rebuilt.headers, REPLAYED_HEADER: "true"})


def _sha256(request: Request) -> bytes:
    """Hashes what makes two requests the same: method, path and body."""
    target = f"{request.method} {request.path} {sorted((request.uri_params or {}).items())}\n"
    return hashlib.sha256(target.encode("utf-8", "surrogatepass") + raw_body(request)).digest()
