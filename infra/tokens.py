"""API tokens from the terminal, of the running local stack or of a deployment.

    python -m infra.tokens list
    python -m infra.tokens create NAME [--scope read|write|admin]
    python -m infra.tokens revoke NAME

Finds the database by OWNER_DATABASE_URL or, where that is not set, by DATA_DIR/stack.json of the running stack. A new
token is written to standard output, once and never again. Exit status: 0 done, 1 refused, 2 wrong usage or no database.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow

from chalicelib import tokens
from chalicelib.database import Database, Transaction
from chalicelib.errors import Rejected, Transient
from functions.authorize import AUTHORIZER_TTL_SECONDS
from infra.local import stack_file
from infra.local.stack_file import StackNotRunning

DONE, REFUSED, USAGE = 0, 1, 2
COLUMNS = ("NAME", "SCOPES", "CREATED", "LAST USED", "REVOKED")


def main(arguments: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    options = _parse(arguments)
    try:
        with _transaction() as transaction:
            run: Callable[[Transaction, argparse.Namespace], str] = options.run
            said = run(transaction, options)
    except Rejected as error:
        sys.stderr.write(f"{error.message[:1].upper()}{error.message[1:]}.\n")
        return REFUSED
    except (UsageError, StackNotRunning, Transient) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    # Only now is it committed: nobody is shown a token that does not exist.
    sys.stdout.write(said)
    return DONE


class UsageError(Exception):
    """The database is not named as it should be."""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.tokens", description="Make, list and revoke API tokens.")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("list", help="show every token: never the token itself").set_defaults(run=_list)
    create = commands.add_parser("create", help="make a token and show it, once")
    create.add_argument("name", help="whose it is: a person or a system")
    create.add_argument("--scope", choices=tokens.SCOPES, default="read", help="each includes those before it")
    create.set_defaults(run=_create)
    revoke = commands.add_parser("revoke", help="make a token useless")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)
    return parser.parse_args(arguments)


@contextmanager
def _transaction() -> Iterator[Transaction]:
    """On the database of the deployment, or of the running stack. Raises UsageError, StackNotRunning, Transient."""
    url = os.environ.get("OWNER_DATABASE_URL")
    database = Database(_checked(url) if url else _stack_conninfo())
    try:
        with database.transaction() as transaction:
            yield transaction
    finally:
        database.close()


def _checked(url: str) -> str:
    """libpq's own message would show the address, with the password in it."""
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        raise UsageError("OWNER_DATABASE_URL is not the address of a database: postgresql://owner@host/name") from None
    return url


def _stack_conninfo() -> str:
    return stack_file.read(Path(os.environ.get("DATA_DIR") or ".local")).owner_conninfo


def _create(transaction: Transaction, options: argparse.Namespace) -> str:
    return tokens.create(transaction, options.name, [options.scope]) + "\n"


def _revoke(transaction: Transaction, options: argparse.Namespace) -> str:
    tokens.revoke(transaction, options.name)
    return f"Revoked {options.name}. It may be accepted for {AUTHORIZER_TTL_SECONDS} s more.\n"


def _list(transaction: Transaction, options: argparse.Namespace) -> str:  # noqa: ARG001  # called like the others
    lines = [COLUMNS, *(_line(found) for found in tokens.listed(transaction))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _line(found: DictRow) -> tuple[str, ...]:
    times = (_time(found[name]) for name in ("created_at", "last_used_at", "revoked_at"))
    return (found["name"], " ".join(found["scopes"]), *times)


def _time(value: datetime | None) -> str:
    """To the second, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if value else "–"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
