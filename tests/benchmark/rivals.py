"""Other tools that load the same file into PostgreSQL, on the same server.

pgloader (from Debian or Homebrew), and pyarrow with pgpq and dlt (in .venv-rivals, see pyproject.toml), run as a user
would run them, and are timed as whole processes. pyarrow with pgpq does what psql's plain upsert does. The others do
not: pgloader only inserts, without checking anything; dlt merges by the SKU as it is, without folding case, and reports
nothing about single rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from infra.project import ROOT
from tests.benchmark.psql import plain_statements

SECONDS_MAX = 900.0
RIVALS_PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
ARROW = Path(__file__).with_name("rival_arrow.py")
TABLE = "drop table if exists rival; create table rival (name text, sku text, description text)"

_PGLOADER = """load csv from '{file}' (name, sku, description)
into {url}?tablename=rival (name, sku, description)
with skip header = 1, fields optionally enclosed by '"', fields escaped by double-quote, fields terminated by ','
set client_encoding to 'utf8', work_mem to '64MB';
"""

_DLT = """
import csv, sys, dlt

def products(file):
    with open(file, newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)

pipeline = dlt.pipeline("rival", destination=dlt.destinations.postgres(sys.argv[2]), dataset_name="rival_dlt",
                        pipelines_dir=sys.argv[3])
pipeline.run(products(sys.argv[1]), table_name="product", write_disposition="merge", primary_key="sku")
"""


def has_arrow() -> bool:
    """Returns whether pyarrow and pgpq are installed; pgpq has no wheel for Linux on arm64."""
    return bool(list((RIVALS_PYTHON.parents[1] / "lib").glob("python3*/site-packages/pgpq")))


def arrow(conninfo: str, file: Path, operation: int) -> float:
    """Imports a file into plain_product with pyarrow, pgpq's binary COPY and the plain upsert. Returns seconds."""
    return _timed([RIVALS_PYTHON, ARROW, file, _url(conninfo)], ";\n".join(plain_statements(file, operation)))


def pgloader(conninfo: str, file: Path, directory: Path) -> float | None:
    """Returns seconds of `pgloader load.file` into an empty table without an index; None if it is not installed."""
    program = shutil.which("pgloader")
    if program is None:
        return None
    script = directory / "rival.load"
    script.write_text(_PGLOADER.format(file=file, url=_url(conninfo)))
    return _timed([program, "--quiet", script])


def dlt(conninfo: str, file: Path, directory: Path) -> float | None:
    """Returns seconds of a dlt pipeline with write_disposition="merge"; None if it is not installed."""
    if not RIVALS_PYTHON.exists():
        return None
    state = directory / "rival-dlt"
    shutil.rmtree(state, ignore_errors=True)
    return _timed([RIVALS_PYTHON, "-c", _DLT, file, _url(conninfo), state])


def _timed(command: list[str | Path], script: str = "") -> float:
    environment = {"PATH": os.defpath, "HOME": os.environ["HOME"], "RUNTIME__DLTHUB_TELEMETRY": "false"}
    started = time.perf_counter()
    subprocess.run(
        command,
        input=script.encode(),
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=SECONDS_MAX,
    )
    return time.perf_counter() - started


def _url(conninfo: str) -> str:
    parts: dict[str, Any] = conninfo_to_dict(conninfo)
    return f"postgresql://{parts['user']}:{quote(parts['password'])}@{parts['host']}:{parts['port']}/{parts['dbname']}"
