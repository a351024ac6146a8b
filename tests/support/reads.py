"""How many rows of a table the functions have read, by PostgreSQL's own counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

READ = """
    select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int as rows
    from pg_stat_user_tables where relname = %s
"""


def rows_read(pipeline: Pipeline, table: str) -> int:
    """Returns what all sessions have read so far, including everything that `pipeline.backends` did."""
    pipeline.backends.database.connection().execute("select pg_stat_force_next_flush()")
    (read,) = pipeline.sql(READ, table)
    return int(read["rows"])
