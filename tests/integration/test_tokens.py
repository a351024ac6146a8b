"""Tokens: created, listed and revoked from the terminal, and what they give access to over HTTP."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.access import tokens
from chalicelib.access.tokens import NewToken
from chalicelib.backends.database import Database
from chalicelib.errors import Invalid
from chalicelib.settings import read
from functions.authorize import AUTHORIZER_TTL_SECONDS
from infra import tokens as terminal
from infra.arguments import USAGE
from infra.local import stack_file
from infra.local.lambda_.context import LambdaContext
from infra.tokens import DONE, REFUSED
from tests.support.log_lines import caught, with_message

if TYPE_CHECKING:
    from infra.local.testing import Services
    from tests.support.pipeline import Pipeline

Output = pytest.CaptureFixture[str]
Invoke = Callable[[object], dict[str, Any]]


@pytest.fixture(autouse=True)
def deployment(services: Services, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    """The database, configured as in a deployment, with no token but the one of `pipeline`."""
    monkeypatch.setenv("DATABASE_URL", services.conninfos["token_manager"])
    monkeypatch.setenv("OWNER_DATABASE_URL", services.conninfos["token_manager"])
    pipeline.sql("delete from api_token where name <> 'tests'")


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Invokes the function as Lambda does."""
    import app  # It reads the environment.

    monkeypatch.setattr("functions.manage_tokens.settings", lambda: read(os.environ))
    context = LambdaContext("manage_tokens", 256, "test", "test", 30)
    return lambda event: app.manage_tokens(event, context)


def created(capsys: Output, name: str, *more: str) -> str:
    assert terminal.main(["create", name, *more]) == DONE
    return capsys.readouterr().out.removesuffix("\n")


def refusal(capsys: Output, *arguments: str, status: int = REFUSED) -> str:
    assert terminal.main(list(arguments)) == status
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def status_of(pipeline: Pipeline, method: str, path: str, token: str) -> int:
    return pipeline.call(method, path, Authorization=f"Bearer {token}").status


@pytest.mark.parametrize(("scope", "reads", "writes"), [("read", 200, 403), ("write", 200, 415), ("admin", 200, 415)])
def test_the_scope_of_a_token_decides_what_it_may_do(
    pipeline: Pipeline, capsys: Output, scope: str, reads: int, writes: int
) -> None:
    token = created(capsys, "shop", "--scope", scope)

    assert status_of(pipeline, "GET", "/imports", token) == reads
    assert status_of(pipeline, "POST", "/imports", token) == writes


def test_the_default_scope_is_read(capsys: Output, pipeline: Pipeline) -> None:
    token = created(capsys, "shop")

    assert status_of(pipeline, "POST", "/imports", token) == 403


def test_a_revoked_token_is_refused(pipeline: Pipeline, capsys: Output) -> None:
    token = created(capsys, "shop")
    assert status_of(pipeline, "GET", "/imports", token) == 200

    assert terminal.main(["revoke", "shop"]) == DONE

    assert f"{AUTHORIZER_TTL_SECONDS} s" in capsys.readouterr().out
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        pipeline.call("GET", "/imports", Authorization=f"Bearer {token}")


@pytest.mark.parametrize(("given", "hours"), [("1h", 1), ("90d", 90 * 24), ("26W", 26 * 7 * 24)])
def test_a_token_from_the_terminal_can_expire(pipeline: Pipeline, capsys: Output, given: str, hours: int) -> None:
    token = created(capsys, "shop", "--expires", given)
    (row,) = pipeline.sql("select expires_at - created_at as lifetime from api_token where name = 'shop'")
    assert abs(row["lifetime"] - timedelta(hours=hours)) < timedelta(minutes=1)
    assert status_of(pipeline, "GET", "/imports", token) == 200

    pipeline.sql("update api_token set expires_at = now() where name = 'shop'")

    with pytest.raises(Exception, match=r"^Unauthorized$"):
        pipeline.call("GET", "/imports", Authorization=f"Bearer {token}")
    assert created(capsys, "shop", "--expires", given) != token, "the name is free again"


@pytest.mark.parametrize("given", ["90", "d", "0d", "-1d", "1.5d", "1m", "3651d", "999999w", "90d1", "٩d", " 1d"])
def test_an_expiry_that_makes_no_sense_is_wrong_usage(capsys: Output, given: str) -> None:
    with pytest.raises(SystemExit) as ended:
        terminal.main(["create", "shop", f"--expires={given}"])
    assert ended.value.code == USAGE
    assert "EXPIRES must be a number of hours, days or weeks, such as 12h, 90d or 26w" in capsys.readouterr().err


def test_the_log_says_why_a_token_was_refused_and_never_contains_it(pipeline: Pipeline, capsys: Output) -> None:
    ended = {column: created(capsys, column) for column in ("revoked_at", "expires_at")}
    for column in ended:
        pipeline.sql(f"update api_token set {column} = now() where name = '{column}'")
    tried = {
        "unknown": "Bearer imp_unknown_or_mistyped",
        "malformed": "Basic cGVyc29uOnBhc3N3b3Jk",
        "revoked": f"Bearer {ended['revoked_at']}",
        "expired": f"Bearer {ended['expires_at']}",
    }
    with caught(level=logging.DEBUG) as lines:
        for header in tried.values():
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                pipeline.call("GET", "/imports", Authorization=header)

    failed = with_message(lines, "authentication failed")
    assert [line["reason"] for line in failed] == list(tried)
    assert [line.get("holder") for line in failed] == [None, None, "revoked_at", "expires_at"]
    assert all(line["method_arn"].endswith("/GET/imports") for line in failed)
    assert all((line["level"], line["AuthenticationsFailed"]) == ("WARNING", 1) for line in failed)
    assert not any(header.partition(" ")[2].removeprefix(tokens.PREFIX) in str(lines) for header in tried.values())


def test_a_failed_sign_in_is_logged_with_the_address_of_the_caller(pipeline: Pipeline) -> None:
    from tests.integration import gateway

    for headers in ({}, {"authorization": "Bearer imp_guess"}):
        with caught() as lines:
            answer = gateway.ask_from("192.0.2.7", "GET", "/products?q=private", headers)
        assert gateway.problem(answer, 401)
        (line,) = with_message(lines, "request without a valid token")
        assert (line["address"], line["method"], line["path"]) == ("192.0.2.7", "GET", "/products")
        assert not any(secret in str(lines) for secret in ("private", "guess"))


def test_the_list_shows_everything_but_the_token(pipeline: Pipeline, capsys: Output) -> None:
    used, unused = created(capsys, "in use", "--scope", "write", "--expires", "12h"), created(capsys, "idle")
    status_of(pipeline, "GET", "/imports", used)
    terminal.main(["revoke", "idle"])
    capsys.readouterr()

    assert terminal.main(["list"]) == DONE
    output = capsys.readouterr().out

    header, *lines = output.splitlines()
    assert header.split() == ["NAME", "SCOPES", "CREATED", "LAST", "USED", "EXPIRES", "REVOKED"]
    by_name = {line[: header.index("SCOPES")].strip(): line for line in lines}
    assert set(by_name) == {"in use", "idle", "tests"}
    assert "write" in by_name["in use"]
    assert by_name["in use"].count("Z") == 3, "created, used, expires"
    assert by_name["idle"].count("Z") == 2, "created, revoked"
    hashes = [bytes(row["sha256"]).hex() for row in pipeline.sql("select sha256 from api_token")]
    assert not any(secret in output for secret in (used, unused, *hashes))


def test_a_name_in_use_is_refused_until_its_token_is_revoked(pipeline: Pipeline, capsys: Output) -> None:
    first = created(capsys, "shop")

    assert "There is already a token named shop" in refusal(capsys, "create", "shop")
    assert status_of(pipeline, "GET", "/imports", first) == 200
    terminal.main(["revoke", "shop"])
    capsys.readouterr()
    assert created(capsys, "shop") != first


def test_an_unknown_token_cannot_be_revoked(capsys: Output) -> None:
    assert "There is no token named unknown" in refusal(capsys, "revoke", "unknown")
    created(capsys, "once")
    terminal.main(["revoke", "once"])
    capsys.readouterr()
    assert "There is no token named once" in refusal(capsys, "revoke", "once")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"command": "create", "name": "shop", "scope": "root"}, "scope: Must be “read”, “write” or “admin”."),
        ({"command": "create", "name": "in use"}, "there is already a token named in use"),
        ({"command": "create", "name": "shop", "expires_hours": 0}, "expires_hours: Must be at least 1."),
        ({"command": "create", "name": "shop", "expires_hours": 87_601}, "expires_hours: Must be at most 87,600."),
        ({"command": "create", "name": "shop", "expires_hours": "9"}, "expires_hours: Must be a whole number."),
        ({"command": "create", "name": " shop"}, "the name of a token must have 1 to 100 visible characters"),
        ({"command": "create"}, "name: This field is required."),
        ({"command": "create", "name": "shop", "scopes": ["read"]}, "scopes: Unknown field “scopes”. Remove it."),
        ({"command": "revoke", "name": "unknown"}, "there is no token named unknown"),
        ({"command": "revoke", "name": "a\0b"}, "there is no token named a\0b"),
        ({"command": "revoke", "name": "a\ud800b"}, "there is no token named a\ud800b"),
        ({"command": "show"}, "'command': Must be “create”, “list” or “revoke”."),
        ({}, "'command': This field is required."),
        (["list"], "Must be an object."),
    ],
)
def test_the_function_explains_what_it_refuses(
    invoke: Invoke, capsys: Output, pipeline: Pipeline, event: object, reason: str
) -> None:
    created(capsys, "in use")
    answer = invoke(event)
    assert set(answer) == {"refused"}
    assert reason in answer["refused"]
    assert pipeline.sql("select name, revoked_at from api_token where name <> 'tests'") == [
        {"name": "in use", "revoked_at": None}
    ]


def test_the_function_creates_lists_and_revokes(invoke: Invoke, pipeline: Pipeline) -> None:
    token = invoke({"command": "create", "name": "shop"})["token"]
    assert status_of(pipeline, "GET", "/imports", token) == 200
    listed = json.loads(json.dumps(invoke({"command": "list"})))["tokens"]
    [shop] = [each for each in listed if each["name"] != "tests"]
    assert (shop["name"], shop["scopes"], shop["revoked_at"]) == ("shop", ["read"], None)
    assert invoke({"command": "revoke", "name": "shop"}) == {"revoked": "shop"}


def test_the_log_names_the_holder_of_a_new_token_and_never_has_the_token(
    invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = invoke({"command": "create", "name": "shop", "scope": "write"})["token"]
    invoke({"command": "create", "name": "shop"})
    invoke({"command": "list"})
    invoke({"command": "revoke", "name": "shop"})

    created_record, revoked = [record for record in caplog.records if record.name == "chalicelib"]
    assert created_record.getMessage() == "token created"
    assert created_record.details.facts["holder"] == revoked.details.facts["holder"] == "shop"  # type: ignore[attr-defined]
    # These are the records before redaction (functions/redaction.py), which would hide a token.
    assert token.removeprefix(tokens.PREFIX) not in repr([vars(record) for record in caplog.records])


@pytest.mark.parametrize("name", ["", " shop", "two\nlines", "x" * (limits.TOKEN_NAME_CHARACTERS_MAX + 1), "a\0b"])
def test_an_invisible_or_too_long_name_is_refused(services: Services, name: str) -> None:
    database = Database(services.conninfos["token_manager"])
    with pytest.raises(Invalid), database.transaction() as transaction:
        tokens.create(transaction, NewToken(name, "read"))
    database.close()


def test_an_unknown_scope_is_wrong_usage(capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        terminal.main(["create", "shop", "--scope", "root"])
    assert ended.value.code == USAGE


def test_the_running_stack_is_found_by_its_data_directory(
    services: Services, pipeline: Pipeline, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OWNER_DATABASE_URL")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert "make run" in refusal(capsys, "list", status=USAGE)

    conninfos = {"token_manager": services.conninfos["token_manager"]}
    running = stack_file.StackFile(1, "", "", "", "", "", "", "", "", conninfos, "localstack", 1, None, {})
    stack_file.write(tmp_path, running)

    assert status_of(pipeline, "GET", "/imports", created(capsys, "shop")) == 200


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("host=127.0.0.1 port=9 dbname=importer user=postgres", "PostgreSQL could not complete the request"),
        ("postgres//owner:secret@host/importer", "OWNER_DATABASE_URL is not the URL of a database"),
    ],
)
def test_an_unusable_database_is_reported_without_its_password(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("OWNER_DATABASE_URL", url)

    output = refusal(capsys, "list", status=USAGE)

    assert message in output
    assert "secret" not in output
