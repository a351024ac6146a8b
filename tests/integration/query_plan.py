"""How PostgreSQL would run a statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.rows import scalar_row

from chalicelib.backends.database import Transaction


def explained(transaction: Transaction, statement: str, parameters: Mapping[str, Any]) -> str:
    """Returns the plan for a statement, with the settings of this transaction."""
    cursor = transaction.cursor.connection.cursor(row_factory=scalar_row)
    return "\n".join(cursor.execute(f"explain {statement}".encode(), parameters).fetchall())
