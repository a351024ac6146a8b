"""An application that does what its messages say: return, raise, hang, crash. It writes what it sees to a file."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Response, SQSEvent

PREFIX = os.environ["QUEUE_PREFIX"]
SEEN = Path(os.environ["SEEN_FILE"])
RELEASE = Path(os.environ["RELEASE_FILE"])
WAIT_SECONDS_MAX = 15.0

app = Chalice(app_name="standin")
logger = logging.getLogger(__name__)


def note(**what: Any) -> None:
    """Appends one line. Short appends are atomic, so several processes may write."""
    with SEEN.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), **what}) + "\n")


@app.on_sqs_message(queue=f"{PREFIX}-work", batch_size=1, maximum_concurrency=8)
def work(event: SQSEvent) -> None:
    body = json.loads(event.to_dict()["Records"][0]["body"])
    lambda_context: Any = event.context
    public = [name for name in dir(lambda_context) if not name.startswith(("_", "get_"))]
    context = {name: str(getattr(lambda_context, name)) for name in public}
    remaining = lambda_context.get_remaining_time_in_millis()
    variables = dict(os.environ)
    note(function="work", event=event.to_dict(), context=context, remaining=remaining, environment=variables)
    act(body)


@app.on_sqs_message(queue=f"{PREFIX}-slow", batch_size=1, maximum_concurrency=8)
def slow(event: SQSEvent) -> None:
    note(function="slow", at="start")
    wait_for_release()
    note(function="slow", at="end")


@app.on_sqs_message(queue=f"{PREFIX}-work-dead", batch_size=1)
def bury(event: SQSEvent) -> None:
    note(function="bury", event=event.to_dict())


@app.schedule("rate(1 hour)")
def tick(event: CloudWatchEvent) -> None:
    note(function="tick", event=event.to_dict())


@app.authorizer()
def authorize(request: AuthRequest) -> AuthResponse:
    if request.token == "broken":
        raise ValueError("the authorizer has a bug")
    if request.token == "unknown":
        raise PermissionError("Unauthorized")
    return AuthResponse(routes=["*"] if request.token == "known" else [], principal_id="a caller")


@app.route("/things/{thing}", methods=["GET", "POST"], authorizer=authorize)
def things(thing: str) -> Any:
    request = app.current_request
    assert request is not None
    note(function="api", path=request.path, query=dict(request.query_params or {}))
    act({"do": thing})
    raw: Any = request.raw_body
    return {"thing": thing, "method": request.method, "body": raw.decode()}


@app.route("/open")
def open_to_all() -> Response:
    return Response(body="", status_code=303, headers={"Location": "http://elsewhere"})


def act(body: dict[str, Any]) -> None:
    match body.get("do"):
        case "raise":
            raise ValueError("raised on purpose")
        case "hang":
            threading.Event().wait()
        case "exit":
            raise SystemExit(3)
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "log":
            logger.warning("a warning with %s", "arguments")
            print("printed")  # noqa: T201


def wait_for_release() -> None:
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not RELEASE.exists() and time.monotonic() < end:
        time.sleep(0.01)
