"""Products written by hand: create, edit, rename, delete. The same versions and the same order of locks as imports.

An operation takes its number after it has locked the rows it writes, so on one product the numbers follow the order of
execution; only imports and bulk deletes act long after they were accepted. Conditions (is it there, is the SKU free)
are judged on what is visible at that moment.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction
from chalicelib.catalogue import search_index
from chalicelib.errors import Conflict, NotFound, PreconditionFailed, Transient
from chalicelib.limits import WRITE_ATTEMPTS_MAX


@dataclass(frozen=True)
class Content:
    """Everything about a product that people write. SKU and name are trimmed by the caller."""

    sku: str
    name: str
    description: str = ""
    active: bool = True


@dataclass(frozen=True)
class Changes:
    """What an edit writes; None leaves a field alone. A new SKU with another key is a rename."""

    sku: str | None = None
    name: str | None = None
    description: str | None = None
    active: bool | None = None


def create(backends: Backends, content: Content) -> DictRow:
    """A new product. Raises Conflict naming the product that holds the SKU, Transient."""
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            key = _key(transaction, content.sku)
            _refuse_taken(_locked(transaction, key), key, floor)
            made = _put(transaction, content, floor)
            if made is not None:
                search_index.note(transaction, key, made["version"], +1)
                _tell(transaction, "product.created", made)
                return made
    raise Transient(f"the SKU {content.sku} is being written by others")


def edit(backends: Backends, product_id: int, changes: Changes, expected: Container[int] | None = None) -> DictRow:
    """Writes some fields of a product; with `expected`, only if its content version is one of these.

    Raises NotFound, PreconditionFailed, Conflict when the new SKU is taken, Transient.
    """
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            found = _find(transaction, product_id)
            key = found["sku_key"] if changes.sku is None else _key(transaction, changes.sku)
            rows = _locked(transaction, found["sku_key"], key)
            current = rows.get(found["sku_key"])
            if current is None or current["id"] != product_id or not _visible(current, floor):
                continue  # It was renamed or deleted before we had the lock.
            _refuse_unexpected(current, expected)
            if key == found["sku_key"]:
                return _edit(transaction, product_id, changes)
            _refuse_taken(rows, key, floor)
            moved = _rename(transaction, current, changes, floor)
            if moved is None:
                raise RollBack  # Somebody took the SKU between our look and our write.
            return moved
    raise Transient(f"product {product_id} is being written by others")


def delete(backends: Backends, product_id: int, expected: Container[int] | None = None) -> None:
    """Deletes a product; with `expected`, only if its content version is one of these.

    A tombstone keeps older imports from bringing it back. Raises NotFound, PreconditionFailed, Transient.
    """
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            found = _find(transaction, product_id)
            current = _locked(transaction, found["sku_key"]).get(found["sku_key"])
            if current is not None and current["id"] == product_id and _visible(current, floor):
                _refuse_unexpected(current, expected)
                version = _version(transaction)
                transaction.run("bury_product", id=product_id, version=version)
                search_index.note(transaction, current["sku_key"], version, -1)
                deleted = {"id": str(product_id), "sku": current["sku"]}
                events.record(transaction, "product.deleted", f"{product_id}:{version}", deleted)
                return
    raise Transient(f"product {product_id} is being written by others")


def _rename(transaction: Transaction, current: DictRow, changes: Changes, floor: int) -> DictRow | None:
    """A tombstone at the old SKU, and the whole product, as it was seen, at the new one. None when that lost a race."""
    content = Content(
        sku=changes.sku or current["sku"],
        name=current["name"] if changes.name is None else changes.name,
        description=current["description"] if changes.description is None else changes.description,
        active=current["active"] if changes.active is None else changes.active,
    )
    version = _version(transaction)
    transaction.run("bury_product", id=current["id"], version=version)
    search_index.note(transaction, current["sku_key"], version, -1)
    moved = _put(transaction, content, floor, version, product_id=current["id"], created_at=current["created_at"])
    if moved is not None:
        search_index.note(transaction, moved["sku_key"], version, +1)
        _tell(transaction, "product.updated", moved)
    return moved


def _put(
    transaction: Transaction,
    content: Content,
    floor: int,
    version: int | None = None,
    *,
    product_id: int | None = None,
    created_at: datetime | None = None,
) -> DictRow | None:
    return transaction.one(
        "put_product",
        id=product_id,
        created_at=created_at,
        version=_version(transaction) if version is None else version,
        floor=floor,
        **_fields(content),
    )


def _edit(transaction: Transaction, product_id: int, changes: Changes) -> DictRow:
    version = _version(transaction)
    edited = transaction.one("edit_product", id=product_id, version=version, **_fields(changes))
    assert edited is not None
    search_index.note(transaction, edited["sku_key"], version)
    if edited["content_version"] == version:
        _tell(transaction, "product.updated", edited)
    return edited


def _tell(transaction: Transaction, event_type: str, found: DictRow) -> None:
    key = f"{found['id']}:{found['content_version']}"
    events.record(transaction, event_type, key, events.product_data(found))


def _fields(written: Content | Changes) -> dict[str, Any]:
    return {name: getattr(written, name) for name in ("sku", "name", "description", "active")}


def _find(transaction: Transaction, product_id: int) -> DictRow:
    found = transaction.one("find_product", id=product_id)
    if found is None:
        raise NotFound(f"there is no product {product_id}")
    return found


def _locked(transaction: Transaction, *keys: str) -> dict[str, DictRow]:
    return {row["sku_key"]: row for row in transaction.all("lock_keys", keys=list(keys))}


def _refuse_taken(rows: dict[str, DictRow], key: str, floor: int) -> None:
    holder = rows.get(key)
    if holder is not None and _visible(holder, floor):
        raise Conflict(
            f"the SKU {holder['sku']} belongs to product {holder['id']}",
            code="sku_taken",
            members={"product_id": str(holder["id"])},
        )


def _refuse_unexpected(locked: DictRow, expected: Container[int] | None) -> None:
    """Judged on the locked row: before the lock, somebody else could still write between our look and our write."""
    if expected is not None and locked["content_version"] not in expected:
        raise PreconditionFailed(
            f"product {locked['id']} has been changed since it was read; read it again and repeat the change"
        )


def _visible(row: DictRow, floor: int) -> bool:
    return not row["deleted"] and row["version"] >= floor


def _key(transaction: Transaction, sku: str) -> str:
    """The SKU's key, computed where it is defined: in the database."""
    found = transaction.one("key_of", sku=sku)
    assert found is not None
    return str(found["key"])


def _version(transaction: Transaction) -> int:
    """The version of an edit: its operation, and no line."""
    return acceptance.version_of(acceptance.next_operation(transaction))
