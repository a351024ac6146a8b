"""What `infra.tokens` sends to a deployment's function, and how it reports failures. A test server plays Lambda."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from infra import tokens
from infra.arguments import USAGE
from infra.local.aws import Endpoint, forget_personal_settings
from infra.project import ROOT
from infra.tokens import DONE, REFUSED
from tests.support.hook_server import HookServer, Received, Reply, hook_server

Play = Callable[[Callable[[Received], Reply | None] | Reply], HookServer]
Printed = pytest.CaptureFixture[str]
FUNCTION = "product-importer-dev-manage_tokens"
CREATE = ["--stage", "dev", "create", "the shop", "--scope", "write"]
LATE_SECONDS = 5
UNSURE = "The command may still have been carried out"


@pytest.fixture(autouse=True)
def no_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that only a test server accepts."""
    neutral: dict[str, str] = {}
    forget_personal_settings(neutral)
    for name, value in (neutral | Endpoint("http://127.0.0.1:9").environment()).items():
        monkeypatch.setenv(name, value)
    # The session of another test may have found credentials already.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Starts a server that answers in place of Lambda."""
    with ExitStack() as cleanup:

        def start(reply: Callable[[Received], Reply | None] | Reply) -> HookServer:
            server = cleanup.enter_context(hook_server(reply))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
            return server

        yield start


def answer(content: object, **headers: str) -> Reply:
    return Reply(body=json.dumps(content).encode(), headers=headers)


def failure(capsys: Printed, status: int = USAGE) -> str:
    assert tokens.main(CREATE) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_the_function_of_the_stage_is_invoked_and_its_token_shown(play: Play, capsys: Printed) -> None:
    server = play(answer({"token": "imp_new"}))
    assert tokens.main(CREATE) == DONE
    assert capsys.readouterr().out == "imp_new\n"
    [request] = server.received
    assert request.path == f"/2015-03-31/functions/{FUNCTION}/invocations"
    assert json.loads(request.body) == {"command": "create", "name": "the shop", "scope": "write"}


def test_an_expiry_is_sent_in_hours(play: Play) -> None:
    server = play(answer({"token": "imp_new"}))
    assert tokens.main([*CREATE, "--expires", "90d"]) == DONE
    [request] = server.received
    assert json.loads(request.body) == {
        "command": "create", "name": "the shop", "scope": "write", "expires_hours": 2160,
    }  # fmt: skip


def test_a_refusal_is_printed(play: Play, capsys: Printed) -> None:
    play(answer({"refused": "there is a token named the shop already"}))
    assert failure(capsys, REFUSED) == "There is a token named the shop already.\n"


def test_a_function_that_failed_may_have_carried_the_command_out(play: Play, capsys: Printed) -> None:
    server = play(answer({"errorMessage": "Task timed out"}, **{"X-Amz-Function-Error": "Unhandled"}))
    assert f"{FUNCTION} failed: Task timed out\n{UNSURE}" in failure(capsys)
    assert len(server.received) == 1


@pytest.mark.parametrize("reply", [Reply(status=500, body=b"{}"), lambda _: None])
def test_without_an_answer_there_is_no_second_attempt(
    play: Play, capsys: Printed, reply: Callable[[Received], Reply | None] | Reply
) -> None:
    server = play(reply)
    assert UNSURE in failure(capsys)
    assert len(server.received) == 1


def test_the_wait_for_an_answer_has_a_limit(play: Play, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "RESPONSE_SECONDS_MAX", 0.2)
    released = threading.Event()
    server = play(Reply(body=b'{"token": "imp_late"}', wait=lambda: released.wait(LATE_SECONDS)))
    try:
        printed = failure(capsys)
    finally:
        released.set()
    assert "Read timeout" in printed
    assert UNSURE in printed
    assert len(server.received) == 1


def test_the_wait_for_an_answer_is_longer_than_the_functions_time_out() -> None:
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))["stages"]["dev"]["lambda_functions"]
    assert functions["manage_tokens"]["lambda_timeout"] < tokens.RESPONSE_SECONDS_MAX


def test_an_unknown_stage_is_an_error_with_the_remedy(play: Play, capsys: Printed) -> None:
    play(Reply(status=404, body=b'{"Message": "no"}', headers={"x-amzn-ErrorType": "ResourceNotFoundException"}))
    expected = (
        f"There is no function {FUNCTION} in this account and region: deploy the stage first, or check its name\n"
    )
    assert failure(capsys) == expected


def test_a_command_that_never_reached_the_function_was_not_carried_out(
    play: Play, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert UNSURE not in failure(capsys), "no server listens"
    play(Reply(status=403, body=b'{"Message": "no"}', headers={"x-amzn-ErrorType": "AccessDeniedException"}))
    assert UNSURE not in failure(capsys)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    printed = failure(capsys)
    assert "Unable to locate credentials" in printed
    assert UNSURE not in printed


@pytest.mark.parametrize(("command", "target"), [("create", "token"), ("revoke", "revoke-token")])
def test_a_missing_name_is_refused_with_the_remedy(capsys: Printed, command: str, target: str) -> None:
    with pytest.raises(SystemExit) as ended:
        tokens.main(["--stage", "dev", command, ""])
    assert ended.value.code == USAGE
    assert capsys.readouterr().err.startswith(f"NAME is required. Example: make {target} NAME='the shop'")
