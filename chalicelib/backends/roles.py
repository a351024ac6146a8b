"""The database role of each function (docs/architecture.md, "Database privileges")."""

from __future__ import annotations

from collections.abc import Mapping

ROLES: Mapping[str, str] = {
    "api_handler": "api",
    "authorize": "authorizer",
    "split_upload": "importer",
    "rewrite_upload": "importer",
    "upsert_chunk": "importer",
    "bulk_delete_products": "importer",
    "export_products": "importer",
    "index_products": "importer",
    "fail_upload": "importer",
    "fail_rewrite": "importer",
    "fail_chunk": "importer",
    "fail_bulk_delete": "importer",
    "fail_export": "importer",
    "relay_events": "deliverer",
    "deliver_webhook": "deliverer",
    "sweep": "sweeper",
    "manage_tokens": "token_manager",
}
"""The role for each function in app.py; `api_handler` is Chalice's name for all routes together. `migrate` has none: it
connects as the owner of the tables."""
FUNCTION_ROLES = tuple(sorted(set(ROLES.values())))
"""Every role that a function logs in as. All of them exist before the migrations grant them what they may do."""
