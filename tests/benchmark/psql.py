"""The same work by psql alone, on the same server: what an import is measured against.

«merge» and «upsert» are the statements that imports use, over the whole file at once, with all they promise: the one
they try first, and the one that takes over when two chunks add the same new SKU. «plain» is what a careful person would
write: copy into a temporary table, one upsert guarded by (operation, position), and nothing else: no version per field,
no tombstones, no receipt, Unicode left to lower().
"""

from __future__ import annotations

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
);
grant select, insert, update, delete on plain_product to importer;
"""

_PLAIN = """
begin;
create temporary table plain_incoming (
  position bigint generated always as identity, name text, sku text, description text
) on commit drop;
\\copy plain_incoming (name, sku, description) from pstdin with (format csv, header)
insert into plain_product (sku, sku_key, name, description, operation, position)
select distinct on (lower(sku) collate "C") sku, lower(sku), name, description, {operation}, position
from plain_incoming order by lower(sku) collate "C", position desc
on conflict (sku_key) do update set
  sku = excluded.sku, name = excluded.name, description = excluded.description,
  operation = excluded.operation, position = excluded.position, updated_at = now()
where (plain_product.operation, plain_product.position) < (excluded.operation, excluded.position);
commit;
"""

# The importer's own temporary table and statement; psql copies the file's columns, so the line is counted here.
_OURS = """
begin;
{create_incoming};
create temporary sequence line start 2;
alter table incoming alter line set default nextval('line');
\\copy incoming (name, sku, description) from pstdin with (format csv, header)
{lock_in_order};
{statement};
commit;
"""


@dataclass(frozen=True)
class Psql:
    """psql with the role, and so with the settings, of the functions."""

    conninfo: str

    def plain(self, file: Path, operation: int) -> float:
        """Imports a three-column file into plain_product. Returns the seconds psql took."""
        return self._run(_PLAIN.format(operation=operation), file)

    def merge(self, file: Path, operation: int) -> float:
        """Imports a three-column file into product by the importer's MERGE. Returns the seconds psql took."""
        return self._ours("merge_incoming", file, operation)

    def upsert(self, file: Path, operation: int) -> float:
        """Imports a three-column file into product by the importer's upsert. Returns the seconds psql took."""
        return self._ours("upsert_incoming", file, operation)

    def statement(self, statement: str) -> float:
        """Runs one statement. Returns the seconds psql took, with its start."""
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
        # One statement over the whole file may take longer than a function's may; everything else stays as it is.
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
