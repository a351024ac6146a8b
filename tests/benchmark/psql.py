"""The same work by psql alone, on the same server. Imports are measured against this.

“merge” and “upsert” are the statements that imports use, run over the whole file at once with the same guarantees:
imports try the merge first, and use the upsert when two chunks add the same new SKU. “plain” is what a careful
developer would write: COPY into a temporary table, then one upsert guarded by (operation, position). It has no version
per field, no tombstones and no receipt, and leaves Unicode to lower().
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from chalicelib.sql import query
from infra.local.postgres.server import programs

SECONDS_MAX = 900.0

PLAIN_TABLE = """
drop table if exists plain_product;
create table plain_product (
  id bigint generated always as identity primary key,
  sku text not null,
  sku_key text collate "C" not null unique,
  name text not null,
  description text not null default '',
  active boolean not null default true,
  operation bigint not null,
  position bigint not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
)"""
GRANT = "grant select, insert, update, delete on plain_product to importer"
USED = ("sku", "name", "description")

_PLAIN_INCOMING = """
create temporary table plain_incoming (
  position bigint generated always as identity, {columns}
) on commit drop"""
_PLAIN_UPSERT = """
insert into plain_product (sku_key, {used}, operation, position)
select distinct on (lower(sku) collate "C") lower(sku), {used}, {operation}, position
from plain_incoming order by lower(sku) collate "C", position desc
on conflict (sku_key) do update set
  {assignments},
  operation = excluded.operation, position = excluded.position, updated_at = now()
where (plain_product.operation, plain_product.position) < (excluded.operation, excluded.position)"""
_PLAIN = """
begin;
{create};
\\copy plain_incoming ({columns}) from pstdin with (format csv, header)
{upsert};
commit;
"""

# The importer's own temporary table and statement. psql copies only the file's columns; PostgreSQL counts the lines.
_OURS = """
begin;
{create_incoming};
alter table incoming alter line restart with 2;
\\copy incoming (name, sku, description) from pstdin with (format csv, header)
{lock_in_order};
{statement};
commit;
"""


def plain_statements(file: Path, operation: int) -> tuple[str, str]:
    """Returns the statements that create the temporary table for a file, and that write its products."""
    header = _header(file)
    used = [name for name in USED if name in header]
    create = _PLAIN_INCOMING.format(columns=", ".join(f"{_quoted(name)} text" for name in header))
    assignments = ", ".join(f"{name} = excluded.{name}" for name in used)
    return create, _PLAIN_UPSERT.format(used=", ".join(used), operation=operation, assignments=assignments)


def _header(file: Path) -> list[str]:
    with file.open(newline="", encoding="utf-8") as lines:
        return next(csv.reader(lines))


def _quoted(name: str) -> str:
    return f'"{name}"'


@dataclass(frozen=True)
class Psql:
    """psql with the role of the functions, and therefore with its settings."""

    conninfo: str

    def plain(self, file: Path, operation: int) -> float:
        """Imports a file into plain_product. Returns the seconds psql took."""
        create, upsert = plain_statements(file, operation)
        columns = ", ".join(map(_quoted, _header(file)))
        return self._run(_PLAIN.format(create=create, columns=columns, upsert=upsert), file)

    def merge(self, file: Path, operation: int) -> float:
        """Imports a three-column file into product by the importer's MERGE. Returns the seconds psql took."""
        return self._ours("merge_incoming", file, operation)

    def upsert(self, file: Path, operation: int) -> float:
        """Imports a three-column file into product by the importer's upsert. Returns the seconds psql took."""
        return self._ours("upsert_incoming", file, operation)

    def statement(self, statement: str) -> float:
        """Runs one statement. Returns the seconds psql took, including its start."""
        return self._run(f"{statement};\n", Path(os.devnull))

    def _ours(self, name: str, file: Path, operation: int) -> float:
        script = _OURS.format(
            create_incoming=query("create_incoming"),
            lock_in_order=query("lock_in_order"),
            statement=_bound(name, operation=operation, floor=0),
        )
        return self._run(script, file)

    def _run(self, script: str, file: Path) -> float:
        parts = conninfo_to_dict(self.conninfo)
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
        # One statement for the whole file may take longer than the functions allow; every other setting stays.
        environment = {"PATH": os.defpath, "PGOPTIONS": "-c statement_timeout=0"}
        environment |= {variable: str(parts[name]) for variable, name in names.items()}
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as saved, file.open("rb") as stdin:
            saved.write(script)
            saved.flush()
            command: list[str | Path] = [programs() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", saved.name]
            started = time.perf_counter()
            subprocess.run(
                command, stdin=stdin, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS_MAX
            )
            return time.perf_counter() - started


def _bound(name: str, **parameters: int) -> str:
    return re.sub(r"%\((\w+)\)s", lambda match: str(parameters[match[1]]), query(name))
