"""The record of changes: which products each transaction changed, and how many there are.

It is written in the transaction of the change: by an import's statement for each chunk, and here for edits and bulk
deletes. Everything that follows the catalogue reads this record (chalicelib/sql/migrations/0016_changes.sql).
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.backends.database import Transaction


def add(
    transaction: Transaction,
    version: int,
    *,
    keys: Sequence[str] = (),
    created_id: int | None = None,
    deleted: int = 0,
) -> None:
    """Records what one operation changed.

    `keys` are those of products that existed before, `created_id` is the new id of one that did not, and `deleted` is
    how many products disappeared.
    """
    created = int(created_id is not None)
    transaction.run(
        "record_change", version=version, created=created, deleted=deleted, created_id=created_id, keys=list(keys)
    )
    transaction.changes_products = True


def total(transaction: Transaction) -> int:
    """Returns the number of all products that readers see: exactly, and without counting them."""
    return transaction.value("total_products", int)
