"""API tokens from the terminal, of the running local stack or of a deployment.

    python -m infra.tokens [--stage STAGE] list
    python -m infra.tokens [--stage STAGE] create NAME [--scope read|write|admin]
    python -m infra.tokens [--stage STAGE] revoke NAME

A command is carried out by functions/manage_tokens.py. With a stage, that is a function of the AWS account that the
credentials of this machine belong to. Without one it is done here, on the database of OWNER_DATABASE_URL or, where that
is not set, on the one of the running stack (DATA_DIR/stack.json). A new token is written to standard output, once and
never again. Exit status: 0 done, 1 refused, 2 wrong usage, or nobody who carries it out.
"""

from __future__ import annotations

import argparse
import json
import os
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
from chalicelib.errors import Transient
from functions.authorize import AUTHORIZER_TTL_SECONDS
from functions.manage_tokens import Answer, answered
from infra.local import stack_file
from infra.local.stack_file import StackNotRunning
from infra.project import data_dir

DONE, REFUSED, USAGE = 0, 1, 2
COLUMNS = ("NAME", "SCOPES", "CREATED", "LAST USED", "REVOKED")
CONNECT_SECONDS_MAX = 5
ANSWER_SECONDS_MAX = 40
"""Longer than the function may take: who does not get an answer until then gets none any more."""
SERVER_ERROR = 500
UNSURE = "\nIt may have been carried out all the same: look at the list, and revoke a token that nobody has seen."

Command = dict[str, str]


def main(arguments: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    options = _parse(arguments)
    command = {name: value for name, value in vars(options).items() if name != "stage"}
    try:
        answer = _from_a_stage(options.stage, command) if options.stage else _from_a_database(command)
    except (NoAnswer, UsageError, StackNotRunning, Transient) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if "refused" in answer:
        reason = answer["refused"]
        sys.stderr.write(f"{reason[:1].upper()}{reason[1:]}.\n")
        return REFUSED
    sys.stdout.write(PRESENTED[options.command](answer))
    return DONE


class UsageError(Exception):
    """The database is not named as it should be."""


class NoAnswer(Exception):
    """The function was not reached, or did not end well; the message says what is known."""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.tokens", description="Make, list and revoke API tokens.")
    parser.add_argument("--stage", help="of a deployment; without it, the running local stack")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("list", help="show every token: never the token itself")
    create = commands.add_parser("create", help="make a token and show it, once")
    create.add_argument("name", help="whose it is: a person or a system")
    create.add_argument("--scope", choices=tokens.SCOPES, default="read", help="each includes those before it")
    revoke = commands.add_parser("revoke", help="make a token useless")
    revoke.add_argument("name")
    return parser.parse_args(arguments)


# --- whom it is asked of --------------------------------------------------------------------------------------------


def _from_a_database(command: Command) -> Answer:
    """What is answered by this process. Raises UsageError, StackNotRunning, Transient."""
    url = os.environ.get("OWNER_DATABASE_URL")
    with closing(Database(_checked(url) if url else _stack_conninfo())) as database:
        return answered(database, command)


def _checked(url: str) -> str:
    """libpq's own message would show the address, with the password in it."""
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        raise UsageError("OWNER_DATABASE_URL is not the address of a database: postgresql://owner@host/name") from None
    return url


def _stack_conninfo() -> str:
    return stack_file.read(data_dir()).owner_conninfo


def _from_a_stage(stage: str, command: Command) -> Answer:
    """What is answered by the function of a deployment. Raises NoAnswer."""
    # Asked once: without an answer one does not know whether it was done, and a second time would be refused for that.
    once = Config(
        connect_timeout=CONNECT_SECONDS_MAX, read_timeout=ANSWER_SECONDS_MAX, retries={"total_max_attempts": 1}
    )
    function = f"product-importer-{stage}-manage_tokens"
    client: Any = boto3.client
    try:
        told = client("lambda", config=once).invoke(FunctionName=function, Payload=json.dumps(command))
        answer = json.loads(told["Payload"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise NoAnswer(f"there is no {function} in this account and region: deploy the stage first") from error
        unsure = error.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR
        raise NoAnswer(f"{function} cannot be asked: {error}{UNSURE if unsure else ''}") from error
    except BotoCoreError as error:
        unsure = isinstance(error, ReadTimeoutError | ConnectionClosedError | ResponseStreamingError)
        raise NoAnswer(f"{function} did not answer: {error}{UNSURE if unsure else ''}") from error
    if "FunctionError" in told:
        raise NoAnswer(f"{function} failed: {answer.get('errorMessage')}{UNSURE}")
    return dict(answer)


# --- how the answer is shown ----------------------------------------------------------------------------------------


def _token(answer: Answer) -> str:
    return f"{answer['token']}\n"


def _revoked(answer: Answer) -> str:
    return f"Revoked {answer['revoked']}. It may be accepted for {AUTHORIZER_TTL_SECONDS} s more.\n"


def _table(answer: Answer) -> str:
    lines = [COLUMNS, *(_line(found) for found in answer["tokens"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _line(found: Mapping[str, Any]) -> tuple[str, ...]:
    times = (_time(found[name]) for name in ("created_at", "last_used_at", "revoked_at"))
    return (found["name"], " ".join(found["scopes"]), *times)


def _time(value: str | None) -> str:
    """To the second, in UTC."""
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if value else "–"


PRESENTED: dict[str, Callable[[Answer], str]] = {"create": _token, "list": _table, "revoke": _revoked}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
