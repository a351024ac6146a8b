"""The running stack from the terminal: import a file, make and import a demonstration file, open psql.

    python -m infra.local.client import products.csv
    python -m infra.local.client demo [--rows 500000]
    python -m infra.local.client psql

Talks HTTP like any other client. Finds the stack by DATA_DIR/stack.json, or by URL and TOKEN. Exit status: 0 completed,
1 failed or cancelled, 2 wrong usage (no such file, no stack).
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

from infra.local import stack_file
from infra.local.client import demo_file
from infra.local.client.http import ApiError, ImportClient, Report
from infra.local.client.view import ImportView
from infra.local.postgres.server import programs
from infra.local.stack_file import StackNotRunning
from infra.project import data_dir

COMPLETED, NOT_COMPLETED, USAGE = 0, 1, 2
ROWS_DEFAULT = 500_000
ROWS_MAX = 50_000_000
REJECTED_ROWS_SHOWN = 5


def main(arguments: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    options = _parse(arguments)
    directory = data_dir()
    try:
        if options.command == "psql":
            _psql(directory)
        client = _client(directory)
        file = _demo_file(directory, options.rows) if options.command == "demo" else _own_file(options.file)
        return _import(client, file)
    except (UsageError, StackNotRunning) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except ApiError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_COMPLETED


class UsageError(Exception):
    """The command cannot be carried out as given."""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.client", description="Use the running local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("import", help="import a CSV file").add_argument("file")
    demo = commands.add_parser("demo", help="make a file of products and import it")
    demo.add_argument("--rows", type=_rows, default=ROWS_DEFAULT)
    commands.add_parser("psql", help="open psql on the database")
    return parser.parse_args(arguments)


def _rows(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= ROWS_MAX:
        raise argparse.ArgumentTypeError(f"a number from 1 to {ROWS_MAX:,} is needed, not {text!r}")
    return int(text)


def _client(directory: Path) -> ImportClient:
    url, token = os.environ.get("URL"), os.environ.get("TOKEN")
    if url and token:
        return ImportClient(url.rstrip("/"), token)
    stack = stack_file.read(directory)
    client = ImportClient(stack.url, stack.token)
    if not client.answers():
        raise StackNotRunning(f"the stack on {directory} does not answer at {stack.url}: start it with `make run`")
    return client


def _own_file(name: str) -> Path:
    file = Path(name)
    if not file.is_file():
        raise UsageError(f"no such file: {name!r}. Usage: make import FILE=products.csv")
    return file


def _demo_file(directory: Path, rows: int) -> Path:
    file = directory / f"demo-{rows}.csv"
    if not file.exists():
        started = time.monotonic()
        demo_file.write(file, rows)
        size_mb = file.stat().st_size / 1_000_000
        sys.stdout.write(f"Made {file}: {rows:,} rows, {size_mb:.0f} MB, in {time.monotonic() - started:.1f} s\n")
    return file


def _import(client: ImportClient, file: Path) -> int:
    console = Console()
    with ImportView(console, file.name) as view:
        started = time.monotonic()
        report = client.run(file, view)
        seconds = time.monotonic() - started
    _print_receipt(console, client, report, seconds)
    return COMPLETED if report.status == "completed" else NOT_COMPLETED


def _print_receipt(console: Console, client: ImportClient, report: Report, seconds: float) -> None:
    rows = report.rows
    console.print(f"{report.status}: {', '.join(f'{name} {count:,}' for name, count in rows.items())}", markup=False)
    if rows.get("total"):
        console.print(f"{rows['total'] / seconds:,.0f} rows/s from the first byte sent ({seconds:.1f} s)", markup=False)
    if report.rows_per_second:
        console.print(f"{report.rows_per_second:,.0f} rows/s from the object in S3 to completed", markup=False)
    for line in [report.error, *report.warnings]:
        if line:
            console.print(line, markup=False)
    for row in client.rejected_rows(report, REJECTED_ROWS_SHOWN) if rows.get("rejected") else []:
        console.print(f"  line {row.get('line')}: {row.get('message')}", markup=False)


def _psql(directory: Path) -> None:
    """Becomes psql: the system's, which has line editing, or else the embedded one."""
    stack = stack_file.read(directory)
    parts = conninfo_to_dict(stack.owner_conninfo)
    # By environment, so that the password is not in the list of processes.
    variables = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    environment = os.environ | {variable: str(parts[name]) for variable, name in variables.items()}
    program = shutil.which("psql") or str(programs() / "psql")
    os.execve(program, [program], environment)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
