"""Tokens over HTTP: who may create, list and revoke them, and that the functions' role cannot do it by itself."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib import limits
from chalicelib.access import tokens
from chalicelib.backends.database import Database
from chalicelib.backends.roles import FUNCTION_ROLES
from chalicelib.errors import Conflict
from infra.local.processes.deadline import wait_until
from tests.integration.test_api import SOME_ID, problem
from tests.support.concurrency import together, workers
from tests.support.log_lines import caught, with_message

if TYPE_CHECKING:
    from infra.local.testing import Services
    from tests.support.pipeline import Answer, Pipeline

NEW = {"name": "shop", "scope": "write"}
KEY = "Idempotency-Key"
FIELDS = {"id", "name", "scope", "created_at", "last_used_at", "expires_at", "revoked_at"}
GUESSES = ["", "x", "imp_" + "A" * 43, "tests", "\\x00", "é", "x" * 100_000]


@pytest.fixture(autouse=True)
def only_token(pipeline: Pipeline) -> None:
    """No token but the one of `pipeline`."""
    pipeline.sql("delete from api_token where name <> 'tests'")


def create(pipeline: Pipeline, **changes: Any) -> dict[str, Any]:
    answer = pipeline.call("POST", "/tokens", {**NEW, **changes})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def as_holder(pipeline: Pipeline, token: str, method: str, path: str, body: object = None) -> Answer:
    return pipeline.call(method, path, body, Authorization=f"Bearer {token}")


def in_(**lifetime: float) -> str:
    return (datetime.now(UTC) + timedelta(**lifetime)).isoformat()


def end(pipeline: Pipeline, name: str, column: str) -> None:
    pipeline.sql(f"update api_token set {column} = now() where name = %s", name)


@pytest.mark.parametrize("scope", tokens.SCOPES)
def test_a_created_token_has_its_scope_and_no_other(pipeline: Pipeline, scope: str) -> None:
    made = create(pipeline, scope=scope)
    statuses = {
        "read": as_holder(pipeline, made["token"], "GET", "/products").status,
        "write": as_holder(pipeline, made["token"], "POST", "/products", {}).status,
        "admin": as_holder(pipeline, made["token"], "GET", "/tokens").status,
    }
    allowed = tokens.SCOPES[: tokens.SCOPES.index(scope) + 1]
    assert {each for each, status in statuses.items() if status != 403} == set(allowed)


def test_a_token_is_shown_once_and_never_stored_or_cached(pipeline: Pipeline) -> None:
    answer = pipeline.call("POST", "/tokens", NEW, **{KEY: "k"})
    made = answer.json
    assert set(made) == FIELDS | {"token"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"] == f"/api/tokens/{made['id']}"

    again = pipeline.call("POST", "/tokens", NEW, **{KEY: "k"})

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Cache-Control"] == "no-store"
    assert again.json == {**made, "token": None}
    stored = pipeline.sql("select k::text as row from idempotency_key k union all select t::text from api_token t")
    listed = pipeline.call("GET", "/tokens").body.decode()
    assert made["token"].removeprefix(tokens.PREFIX) not in f"{stored} {listed}"


def test_the_list_is_paged_and_newest_first(pipeline: Pipeline) -> None:
    names = [create(pipeline, name=f"shop {number}")["name"] for number in range(3)]
    pipeline.call("DELETE", f"/tokens/{create(pipeline, name='left')['id']}")

    first = pipeline.call("GET", "/tokens?limit=3").json
    second = pipeline.call("GET", first["next"].removeprefix("/api")).json
    back = pipeline.call("GET", second["prev"].removeprefix("/api")).json

    assert [each["name"] for each in first["items"] + second["items"]] == ["left", *reversed(names), "tests"]
    assert back["items"] == first["items"]
    assert (first["total"], second["next"]) == (5, None)
    assert all(set(each) == FIELDS for each in first["items"])
    assert first["items"][0]["revoked_at"] is not None


def test_every_token_can_read_itself(pipeline: Pipeline) -> None:
    made = create(pipeline, scope="read", expires_at=in_(days=1))
    own = as_holder(pipeline, made.pop("token"), "GET", "/tokens/current").json
    assert own.pop("last_used_at") is not None
    assert own == {name: value for name, value in made.items() if name != "last_used_at"}


def test_a_token_can_expire(pipeline: Pipeline) -> None:
    made = create(pipeline, expires_at=in_(hours=1))
    assert as_holder(pipeline, made["token"], "GET", "/products").status == 200
    end(pipeline, "shop", "expires_at")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        as_holder(pipeline, made["token"], "GET", "/products")
    assert create(pipeline)["name"] == "shop", "the name of an expired token is free"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " shop", "visible characters and no space at either end"),
        ("name", "two\nlines", "visible characters and no space at either end"),
        ("name", "", "empty"),
        ("name", "x" * (limits.TOKEN_NAME_CHARACTERS_MAX + 1), "at most 100 characters"),
        ("scope", "root", "Must be “read”, “write” or “admin”."),
        ("expires_at", "2020-01-01T00:00:00Z", "must be in the future, and at most 10 years from now"),
        ("expires_at", lambda: in_(days=3_651), "must be in the future, and at most 10 years from now"),
        ("expires_at", "9999-12-31T23:59:59.999999-23:59", "must be in the future, and at most 10 years from now"),
        ("expires_at", "2027-01-01T00:00:00", "time zone"),
        ("expires_at", 1_900_000_000, "must be a string with date, time and time zone"),
    ],
)
def test_what_a_token_cannot_have_is_refused(pipeline: Pipeline, field: str, value: object, message: str) -> None:
    sent = value() if callable(value) else value
    found = problem(pipeline.call("POST", "/tokens", {**NEW, field: sent}), 422)
    assert [each["pointer"] for each in found["errors"]] == [f"/{field}"]
    assert message.lower() in found["errors"][0]["message"].lower()
    assert pipeline.call("GET", "/tokens").json["total"] == 1


def test_a_name_in_use_is_refused_until_its_token_is_revoked(pipeline: Pipeline) -> None:
    made = create(pipeline)
    found = problem(pipeline.call("POST", "/tokens", NEW), 409)
    assert (found["code"], "already a token named shop" in found["detail"]) == ("token_name_taken", True)
    assert pipeline.call("DELETE", f"/tokens/{made['id']}").status == 204
    assert create(pipeline)["id"] != made["id"]


def test_two_requests_cannot_create_one_name_twice(pipeline: Pipeline) -> None:
    errors: list[type[Exception]] = []

    def attempt(database: Database) -> None:
        try:
            with database.transaction() as transaction:
                tokens.create_as(transaction, pipeline.token, tokens.NewToken("shop", "read"))
        except Conflict as error:
            errors.append(type(error))

    for _ in range(10):
        pipeline.sql("delete from api_token where name <> 'tests'")
        errors.clear()
        with workers(2) as own:
            together(*(lambda each=each: attempt(each.database) for each in own))
        assert errors == [Conflict]
        assert len(pipeline.sql("select id from api_token where name = 'shop'")) == 1


def test_a_revoked_token_is_refused_and_cannot_be_revoked_again(pipeline: Pipeline) -> None:
    made = create(pipeline)
    assert pipeline.call("DELETE", f"/tokens/{made['id']}").status == 204
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        as_holder(pipeline, made["token"], "GET", "/products")
    for token_id in (made["id"], SOME_ID, "x"):
        assert problem(pipeline.call("DELETE", f"/tokens/{token_id}"), 404)["code"] == "not_found"


def test_an_administrator_may_revoke_its_own_token_even_the_last_one(pipeline: Pipeline, services: Services) -> None:
    last = create(pipeline, scope="admin")
    pipeline.sql("update api_token set revoked_at = now() where name = 'tests'")
    try:
        assert as_holder(pipeline, last["token"], "DELETE", f"/tokens/{last['id']}").status == 204
        assert pipeline.sql("select id from api_token where revoked_at is null") == []
        with closing(Database(services.owner_conninfo)) as owner, owner.transaction() as transaction:
            assert tokens.create(transaction, tokens.NewToken("next", "admin"))
    finally:
        pipeline.sql("update api_token set revoked_at = null where name = 'tests'")


@pytest.mark.parametrize("ended", ["revoked_at", "expires_at"])
def test_an_administrator_who_is_only_cached_can_do_nothing_with_tokens(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    """API Gateway may let a token in for another minute; by then it must not have created its successor."""
    admin, other = create(pipeline, scope="admin"), create(pipeline, name="other")
    holder = tokens.Identity(uuid.UUID(admin["id"]), "shop", frozenset(tokens.SCOPES))
    monkeypatch.setattr(tokens, "identify", lambda *_: holder)
    end(pipeline, "shop", ended)

    for method, path, body in (
        ("POST", "/tokens", {**NEW, "name": "next"}),
        ("DELETE", f"/tokens/{other['id']}", None),
    ):
        assert "admin" in problem(as_holder(pipeline, admin["token"], method, path, body), 403)["detail"]

    assert pipeline.sql("select name from api_token where name = 'next'") == []
    assert pipeline.sql("select revoked_at from api_token where name = 'other'") == [{"revoked_at": None}]


def test_the_log_says_who_changed_which_token_and_never_contains_one(pipeline: Pipeline) -> None:
    with caught(level=logging.DEBUG) as lines:
        made = create(pipeline)
        pipeline.call("DELETE", f"/tokens/{made['id']}")
    (created,), (revoked,) = with_message(lines, "token created"), with_message(lines, "token revoked")
    (administrator,) = pipeline.sql("select id::text from api_token where name = 'tests'")
    assert created["holder"] == revoked["holder"] == "shop"
    assert created["caller"] == revoked["caller"] == administrator["id"]
    for token in (made["token"], pipeline.token):
        assert token.removeprefix(tokens.PREFIX) not in str(lines)


# --- what a function that was taken over could try -----------------------------------------------------------------

Attack = Callable[[psycopg.Connection[Any]], object]


def not_admins(pipeline: Pipeline) -> list[str]:
    """Texts that are no administrator's token: guesses, tokens of lower scopes, and ended tokens; and every hash."""
    lower = [create(pipeline, name=scope, scope=scope)["token"] for scope in ("read", "write")]
    ended = {name: create(pipeline, name=name, scope="admin")["token"] for name in ("revoked_at", "expires_at")}
    for column in ended:
        end(pipeline, column, column)
    hashes = [bytes(row["sha256"]) for row in pipeline.sql("select sha256 from api_token")]
    return [
        *GUESSES,
        *lower,
        *ended.values(),
        *(each.hex() for each in hashes),
        *(f"\\x{each.hex()}" for each in hashes),
    ]


def test_without_an_administrators_token_the_role_creates_and_revokes_none(
    pipeline: Pipeline, services: Services
) -> None:
    tried = not_admins(pipeline)
    before = pipeline.sql("select t::text from api_token t order by 1")
    target = pipeline.sql("select id from api_token where name = 'read'")[0]["id"]
    with psycopg.connect(services.conninfos["api"], autocommit=True) as taken_over:
        for text in tried:
            created = "select create_token_as(%s, 'next', 'admin', decode(repeat('00', 32), 'hex'), null)"
            assert taken_over.execute(created, [text]).fetchone() == (None,), text[:80]
            assert taken_over.execute("select revoke_token_as(%s, %s)", [text, target]).fetchone() == (None,), text[:80]
    assert pipeline.sql("select t::text from api_token t order by 1") == before


@pytest.mark.parametrize(
    "call",
    [
        "select create_token_as(%(stolen)s, 'next', 'admin', decode(repeat('00', 32), 'hex'), null)",
        "select revoke_token_as(%(stolen)s, %(target)s)",
    ],
)
def test_a_token_that_is_revoked_while_its_request_waits_creates_and_revokes_none(
    pipeline: Pipeline, services: Services, call: str
) -> None:
    stolen = create(pipeline, name="stolen", scope="admin")
    target = create(pipeline, name="target", scope="read")["id"] if "revoke" in call else None
    api = services.conninfos["api"]
    with psycopg.connect(api) as rightful, psycopg.connect(api) as thief, ThreadPoolExecutor(1) as executor:
        rightful.execute("select revoke_token_as(%s, %s)", [pipeline.token, stolen["id"]])
        sent = {"stolen": stolen["token"], "target": target}
        waiting = executor.submit(lambda: thief.execute(call.encode(), sent).fetchone())
        wait_until(lambda: is_waiting(pipeline, thief.info.backend_pid), 10, "the call waits for the revocation")
        rightful.commit()
        assert waiting.result() == (None,)
        thief.commit()
    active = pipeline.sql("select name from api_token where revoked_at is null order by name")
    assert [row["name"] for row in active] == (["target", "tests"] if target else ["tests"])


def is_waiting(pipeline: Pipeline, pid: int) -> bool:
    """Whether a session waits for a lock."""
    return bool(pipeline.sql("select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'", pid))


def test_a_table_of_the_attackers_does_not_take_the_place_of_the_tokens(pipeline: Pipeline, services: Services) -> None:
    before = pipeline.sql("select t::text from api_token t order by 1")
    with psycopg.connect(services.owner_conninfo) as taken_over:  # The API's role may not create temporary tables.
        taken_over.execute("create temporary table api_token (name text, scopes text[], sha256 bytea, id uuid,"
                           " revoked_at timestamptz, expires_at timestamptz)")  # fmt: skip
        taken_over.execute("insert into api_token values ('x', '{admin}', sha256('mine'), gen_random_uuid())")
        taken_over.execute("set role api")
        for path in ("pg_temp, public", "public"):
            taken_over.execute(f"set search_path = {path}".encode())
            created = "select public.create_token_as('mine', 'next', 'admin', decode(repeat('00', 32), 'hex'), null)"
            assert taken_over.execute(created.encode()).fetchone() == (None,)
    assert pipeline.sql("select t::text from api_token t order by 1") == before


def test_only_the_two_functions_that_check_the_caller_can_be_called(services: Services) -> None:
    callable_by = (
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and proname like '%%token%%'"
        " and has_function_privilege(%s, oid, 'execute')"
    )
    with psycopg.connect(services.owner_conninfo) as owner:
        found = {role: {name for (name,) in owner.execute(callable_by, [role])} for role in (*FUNCTION_ROLES, "public")}
    writers = {role: names for role, names in found.items() if names}
    assert writers == {"api": {"create_token_as", "revoke_token_as"}}
