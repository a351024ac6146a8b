"""Creates, lists and revokes API tokens of the running local stack or of a deployment.

    python -m infra.tokens [--stage STAGE] list
    python -m infra.tokens [--stage STAGE] create NAME [--scope read|write|admin] [--expires 90d]
    python -m infra.tokens [--stage STAGE] revoke NAME

functions/manage_tokens.py carries the commands out. With --stage, they run as a function in the AWS account that this
machine has credentials for. Without it, they run here: on the database of OWNER_DATABASE_URL, which can also name the
role `token_manager`, or, if that is not set, as this role on the database of the running stack (DATA_DIR/stack.json).
`create` prints the token, which cannot be shown again. Exit status: 0 done, 1 refused, 2 wrong usage, or the command
could not be carried out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from chalicelib.access import tokens
from chalicelib.backends.database import Database
from chalicelib.backends.roles import ROLES
from chalicelib.errors import Transient
from chalicelib.limits import TOKEN_LIFETIME_HOURS_MAX
from functions.authorize import AUTHORIZER_TTL_SECONDS
from functions.manage_tokens import Answer, answered
from infra import entry
from infra.arguments import USAGE, Parser, one_of
from infra.local import stack_file
from infra.local.errors import StackNotRunning
from infra.project import STAGE, STAGE_RULE, data_dir

DONE, REFUSED = 0, 1
MAKE = {
    "list": "make tokens",
    "create": "make token NAME='the shop' SCOPE=write EXPIRES=90d",
    "revoke": "make revoke-token NAME='the shop'",
}
COLUMNS = ("NAME", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "REVOKED")
HOURS_OF = {"h": 1, "d": 24, "w": 7 * 24}
"""The units in which an expiry is given."""
_LIFETIME = re.compile(r"([1-9][0-9]{0,5})([hdw])")
CONNECT_SECONDS_MAX = 5
RESPONSE_SECONDS_MAX = 40
"""Longer than the time-out of the function: after this, no answer can come."""
SERVER_ERROR = 500
UNSURE = "\nThe command may still have been carried out: list the tokens, and revoke a token that you never received."

Command = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    options = _parse(arguments)
    command = {name: value for name, value in vars(options).items() if name != "stage" and value is not None}
    try:
        answer = _from_a_database(command) if options.stage is None else _from_a_stage(options.stage, command)
    except (NoAnswer, BadDatabaseUrl, StackNotRunning, Transient) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if "refused" in answer:
        reason = answer["refused"]
        sys.stderr.write(f"{reason[:1].upper()}{reason[1:]}.\n")
        return REFUSED
    sys.stdout.write(PRESENTED[options.command](answer))
    return DONE


class BadDatabaseUrl(Exception):
    """OWNER_DATABASE_URL cannot be used."""


class NoAnswer(Exception):
    """The function was not reached, or failed; the message says whether the command may still have been carried out."""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m infra.tokens", description="Create, list and revoke API tokens.", make=MAKE["list"])
    parser.add_argument("--stage", type=_stage, help="a deployment; without it, the running local stack")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser(
        "list",
        help="show names, scopes and times of all tokens, also of those that expired or were revoked",
        make=MAKE["list"],
    )
    create = commands.add_parser("create", help="create a token and show it once", make=MAKE["create"])
    create.add_argument("name", help="the person or system that will use the token")
    scope_help = f"{', '.join(tokens.SCOPES)}: each includes the ones before it"
    create.add_argument("--scope", type=one_of(tokens.SCOPES), default="read", help=scope_help)
    expires_help = "how long it works, in hours, days or weeks: 12h, 90d, 26w; without it, it does not expire"
    create.add_argument("--expires", dest="expires_hours", type=_hours, metavar="90d", help=expires_help)
    revoke = commands.add_parser("revoke", help="revoke a token", make=MAKE["revoke"])
    revoke.add_argument("name")
    options = parser.parse_args(arguments)
    if options.command != "list" and not options.name:
        commands.choices[options.command].error("NAME is required")
    return options


def _hours(lifetime: str) -> int:
    """Returns a lifetime such as 90d in hours."""
    matched = _LIFETIME.fullmatch(lifetime.lower())
    hours = int(matched[1]) * HOURS_OF[matched[2]] if matched else 0
    if not 0 < hours <= TOKEN_LIFETIME_HOURS_MAX:
        days = TOKEN_LIFETIME_HOURS_MAX // 24
        raise argparse.ArgumentTypeError(
            f"must be a number of hours, days or weeks, such as 12h, 90d or 26w, up to {days:,} days, not {lifetime!r}"
        )
    return hours


def _stage(name: str) -> str:
    if not STAGE.fullmatch(name):
        raise argparse.ArgumentTypeError(f"must be {STAGE_RULE}, not {name!r}")
    return name


# --- where the command runs -----------------------------------------------------------------------------------------


def _from_a_database(command: Command) -> Answer:
    """Runs a command in this process. Raises BadDatabaseUrl, StackNotRunning, Transient."""
    url = os.environ.get("OWNER_DATABASE_URL")
    with closing(Database(_checked(url) if url else _stack_conninfo())) as database:
        return answered(database, command)


def _checked(url: str) -> str:
    """Returns the URL if it is valid. libpq's own error message would show it with its password."""
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        raise BadDatabaseUrl(
            "OWNER_DATABASE_URL is not the URL of a database: set it to postgresql://owner@host/name"
        ) from None
    return url


def _stack_conninfo() -> str:
    return stack_file.read(data_dir()).conninfos[ROLES["manage_tokens"]]


def _from_a_stage(stage: str, command: Command) -> Answer:
    """Runs a command in the function of a deployment. Raises NoAnswer, and Interrupted when Ctrl-C ends the wait."""
    # One attempt: without an answer the command may have been carried out, and a second attempt would then be refused.
    once = Config(
        connect_timeout=CONNECT_SECONDS_MAX, read_timeout=RESPONSE_SECONDS_MAX, retries={"total_max_attempts": 1}
    )
    function = f"product-importer-{stage}-manage_tokens"
    client: Any = boto3.client
    try:
        response = client("lambda", config=once).invoke(FunctionName=function, Payload=json.dumps(command))
        answer = json.loads(response["Payload"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise NoAnswer(
                f"There is no function {function} in this account and region: deploy the stage first, or check its name"
            ) from error
        unsure = error.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR
        raise NoAnswer(f"{function} cannot be invoked: {error}{UNSURE if unsure else ''}") from error
    except KeyboardInterrupt:
        raise entry.Interrupted(UNSURE.strip()) from None
    except BotoCoreError as error:
        unsure = isinstance(error, ReadTimeoutError | ConnectionClosedError | ResponseStreamingError)
        raise NoAnswer(f"{function} did not answer: {error}{UNSURE if unsure else ''}") from error
    if "FunctionError" in response:
        raise NoAnswer(f"{function} failed: {answer.get('errorMessage')}{UNSURE}")
    return dict(answer)


# --- how the answer is shown ----------------------------------------------------------------------------------------


def _token(answer: Answer) -> str:
    return f"{answer['token']}\n"


def _revoked(answer: Answer) -> str:
    return f"Revoked {answer['revoked']}. Requests may still be accepted for up to {AUTHORIZER_TTL_SECONDS} s.\n"


def _table(answer: Answer) -> str:
    lines = [COLUMNS, *(_line(token) for token in answer["tokens"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _line(token: Mapping[str, Any]) -> tuple[str, ...]:
    times = (_time(token.get(name)) for name in ("created_at", "last_used_at", "expires_at", "revoked_at"))
    return (token["name"], " ".join(token["scopes"]), *times)


def _time(value: str | None) -> str:
    """A time to the second, in UTC; – when there is none."""
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if value else "–"


PRESENTED: dict[str, Callable[[Answer], str]] = {"create": _token, "list": _table, "revoke": _revoked}


if __name__ == "__main__":
    entry.run(main)
