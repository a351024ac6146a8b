"""An empty database, as after the migrations. Only tables that were written are emptied, because TRUNCATE is slow."""

from __future__ import annotations

from tests.support import indexing
from tests.support.owner import Owner

KEPT = (
    "schema_migration",
    "api_token",
    "barrier",
    "relay_state",
    "sweep_cursor",
    "product_search_state",
    "catalogue_total",
)
"""Tables with rows that migrations inserted, and the tokens."""
WRITTEN = """
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all (%s)
      and (pg_relation_size(c.oid) > 0 or c.reltuples <> -1)
"""
"""Tables with rows, with the space of deleted rows, or with statistics, which would influence the planner."""
RESET = f"""
    update relay_state set last_position = 0; update barrier set floor = 0;
    update sweep_cursor set key_marker = null, version_marker = null;
    {indexing.FORGET};
    select setval(s.seqrelid, s.seqstart, false) from pg_sequence s join pg_class c on c.oid = s.seqrelid
    where c.relnamespace = 'public'::regnamespace
"""


def empty(owner: Owner) -> None:
    """Empties the database; every test starts with this."""
    written = [row["name"] for row in owner.sql(WRITTEN, list(KEPT))]
    if written:
        owner.sql(f"truncate {', '.join(written)} cascade")
    owner.sql(RESET)
