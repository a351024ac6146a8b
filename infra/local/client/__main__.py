"""Uses the running stack from the terminal: imports a file, creates and imports a demo file, opens psql.

    python -m infra.local.client import products.csv [--encoding windows-1252]
    python -m infra.local.client demo [--rows 500000]
    python -m infra.local.client psql

Speaks HTTP like any other client. Finds the stack in DATA_DIR/stack.json, or by URL and TOKEN. Exit status:
0 every row was accepted, 3 some rows were rejected, 1 the import failed or was cancelled, or no row was accepted,
2 wrong usage (no such file, no stack), 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from chalicelib.csvfile.transcode import ENCODINGS
from infra import entry
from infra.arguments import USAGE, Parser, one_of, whole_number
from infra.local import stack_file
from infra.local.client import demo_file, product_file, receipt
from infra.local.client.http import ApiError, ImportClient
from infra.local.client.view import ImportView
from infra.local.errors import StackError, StackNotRunning
from infra.local.postgres.server import programs
from infra.project import data_dir

EVERY_ROW, NOT_IMPORTED, SOME_REJECTED = 0, 1, 3
STATUS_OF = {"completed": EVERY_ROW, "completed_with_rejected_rows": SOME_REJECTED}
"""The exit status of each outcome; of every other outcome, NOT_IMPORTED."""
ROWS_DEFAULT = 500_000
ROWS_MAX = 50_000_000


def main(arguments: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    options = _parse(arguments)
    directory = data_dir()
    try:
        if options.command == "psql":
            _psql(directory)
        if options.command == "demo":
            client = _client(directory)
            return _import(client, _demo_file(directory, options.rows))
        product_file.check(options.file)  # First, because without a file no stack is needed.
        return _import(_client(directory), options.file, options.encoding)
    except ApiError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_IMPORTED
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m infra.local.client", description="Use the running local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    own = commands.add_parser("import", help="import a CSV file", make=f"{product_file.EXAMPLE} ENCODING=windows-1252")
    own.add_argument("file", type=_path)
    own.add_argument("--encoding", type=one_of([*ENCODINGS]), help="if it is neither UTF-8 nor marked as UTF-16")
    demo = commands.add_parser("demo", help="create a file of products and import it", make="make demo ROWS=500000")
    demo.add_argument(
        "--rows", type=whole_number(1, ROWS_MAX), default=ROWS_DEFAULT, help=f"{ROWS_DEFAULT:,} by default"
    )
    commands.add_parser("psql", help="open psql on the database", make="make psql")
    return parser.parse_args(arguments)


def _path(name: str) -> Path:
    if not name:
        raise argparse.ArgumentTypeError("is required")
    return Path(name)


def _client(directory: Path) -> ImportClient:
    url, token = os.environ.get("URL"), os.environ.get("TOKEN")
    if url and token:
        return ImportClient(url.rstrip("/"), token)
    stack = stack_file.read(directory)
    client = ImportClient(stack.url, stack.token)
    if not client.answers():
        raise StackNotRunning(f"The stack on {directory} does not answer at {stack.url}: start it with `make run`")
    return client


def _demo_file(directory: Path, rows: int) -> Path:
    file = directory / f"demo-{rows}.csv"
    if not file.exists():
        started = time.monotonic()
        try:
            demo_file.write(file, rows)
        except OSError as error:
            raise StackError(f"{file} cannot be created: {error.strerror}") from None
        size_mb = file.stat().st_size / 1_000_000
        sys.stdout.write(f"Created {file}: {rows:,} rows, {size_mb:.0f} MB, in {time.monotonic() - started:.1f} s\n")
    return file


def _import(client: ImportClient, file: Path, encoding: str | None = None) -> int:
    console = Console()
    with ImportView(console, product_file.name_of(file)) as view:
        started = time.monotonic()
        report = client.run(file, view, encoding)
        seconds = time.monotonic() - started
    receipt.show(console, client, report, seconds)
    return STATUS_OF.get(report.outcome or "", NOT_IMPORTED)


def _psql(directory: Path) -> None:
    """Replaces this process by psql: the system's, which has line editing, or else the embedded one."""
    stack = stack_file.read(directory)
    parts = conninfo_to_dict(stack.owner_conninfo)
    # In the environment, because arguments are visible in the list of processes.
    variables = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    environment = os.environ | {variable: str(parts[name]) for variable, name in variables.items()}
    program = shutil.which("psql") or str(programs() / "psql")
    os.execve(program, [program], environment)  # noqa: S606


if __name__ == "__main__":
    entry.run(main)
