"""What the terminal asks of a deployment's function, and what it says when it hears nothing good. Lambda is played."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from infra import tokens
from infra.local.aws import Endpoint, forget_personal_settings
from infra.project import ROOT
from infra.tokens import DONE, REFUSED, USAGE
from tests.support.hook_server import HookServer, Received, Reply, hook_server

Play = Callable[[Callable[[Received], Reply | None] | Reply], HookServer]
Said = pytest.CaptureFixture[str]
FUNCTION = "product-importer-dev-manage_tokens"
CREATE = ["--stage", "dev", "create", "the shop", "--scope", "write"]
LATE_SECONDS = 5
UNSURE = "It may have been carried out all the same"


@pytest.fixture(autouse=True)
def nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for an address where Lambda is played, once there is one."""
    forgotten: dict[str, str] = {}
    forget_personal_settings(forgotten)
    for name, value in (forgotten | Endpoint("http://127.0.0.1:9").environment()).items():
        monkeypatch.setenv(name, value)
    # Another test's session has found credentials already.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Starts a server that answers for Lambda."""
    with ExitStack() as cleanup:

        def start(reply: Callable[[Received], Reply | None] | Reply) -> HookServer:
            server = cleanup.enter_context(hook_server(reply))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
            return server

        yield start


def answer(content: object, **headers: str) -> Reply:
    return Reply(body=json.dumps(content).encode(), headers=headers)


def failure(capsys: Said, status: int = USAGE) -> str:
    assert tokens.main(CREATE) == status
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_the_function_of_the_stage_is_asked_and_its_token_shown(play: Play, capsys: Said) -> None:
    server = play(answer({"token": "imp_new"}))
    assert tokens.main(CREATE) == DONE
    assert capsys.readouterr().out == "imp_new\n"
    [asked] = server.received
    assert asked.path == f"/2015-03-31/functions/{FUNCTION}/invocations"
    assert json.loads(asked.body) == {"command": "create", "name": "the shop", "scope": "write"}


def test_a_refusal_is_shown_as_one(play: Play, capsys: Said) -> None:
    play(answer({"refused": "there is a token named the shop already"}))
    assert failure(capsys, REFUSED) == "There is a token named the shop already.\n"


def test_a_function_that_failed_may_have_done_it(play: Play, capsys: Said) -> None:
    server = play(answer({"errorMessage": "Task timed out"}, **{"X-Amz-Function-Error": "Unhandled"}))
    assert f"{FUNCTION} failed: Task timed out\n{UNSURE}" in failure(capsys)
    assert len(server.received) == 1


@pytest.mark.parametrize("reply", [Reply(status=500, body=b"{}"), lambda _: None])
def test_without_an_answer_nobody_asks_again(
    play: Play, capsys: Said, reply: Callable[[Received], Reply | None] | Reply
) -> None:
    server = play(reply)
    assert UNSURE in failure(capsys)
    assert len(server.received) == 1


def test_an_answer_is_not_waited_for_for_ever(play: Play, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "ANSWER_SECONDS_MAX", 0.2)
    told = threading.Event()
    server = play(Reply(body=b'{"token": "imp_late"}', wait=lambda: told.wait(LATE_SECONDS)))
    try:
        said = failure(capsys)
    finally:
        told.set()
    assert "Read timeout" in said
    assert UNSURE in said
    assert len(server.received) == 1


def test_an_answer_is_waited_for_longer_than_the_function_runs() -> None:
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))["stages"]["dev"]["lambda_functions"]
    assert functions["manage_tokens"]["lambda_timeout"] < tokens.ANSWER_SECONDS_MAX


def test_a_stage_that_is_not_there_is_told(play: Play, capsys: Said) -> None:
    play(Reply(status=404, body=b'{"Message": "no"}', headers={"x-amzn-ErrorType": "ResourceNotFoundException"}))
    assert failure(capsys) == f"there is no {FUNCTION} in this account and region: deploy the stage first\n"


def test_what_was_never_asked_was_never_done(play: Play, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNSURE not in failure(capsys), "nobody listens"
    play(Reply(status=403, body=b'{"Message": "no"}', headers={"x-amzn-ErrorType": "AccessDeniedException"}))
    assert UNSURE not in failure(capsys)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    said = failure(capsys)
    assert "Unable to locate credentials" in said
    assert UNSURE not in said
