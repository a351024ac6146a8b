"""An empty database, as after the migrations. Only what was written is emptied: TRUNCATE makes every file anew."""

from __future__ import annotations

from tests.support import search_copy
from tests.support.owner import Owner

KEPT = ("schema_migration", "api_token", "barrier", "relay_state", "sweep_cursor", "product_search_state")
"""They have what migrations have put into them, and tokens."""
WRITTEN = """
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all (%s)
      and (pg_relation_size(c.oid) > 0 or c.reltuples <> -1)
"""
"""Tables with rows, with room where rows were, or with statistics, which the planner would go by."""
BEGIN_AGAIN = f"""
    update relay_state set last_position = 0; update barrier set floor = 0;
    update sweep_cursor set key_marker = null, version_marker = null;
    {search_copy.FORGET};
    select setval(seqrelid, seqstart, false) from pg_sequence
"""


def empty(owner: Owner) -> None:
    """Every test begins here."""
    written = [row["name"] for row in owner.sql(WRITTEN, list(KEPT))]
    if written:
        owner.sql(f"truncate {', '.join(written)} cascade")
    owner.sql(BEGIN_AGAIN)
