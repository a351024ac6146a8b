"""Products written through the API: create, edit, rename, delete. Same versions and same lock order as imports.

An edit takes its operation number after it has locked the rows that it writes, so on one product the numbers follow
the order of execution; only imports and bulk deletes write long after they were accepted. Conditions (does the product
exist, is the SKU free) are checked against what is visible at that moment.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Container
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from chalicelib import acceptance, events
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack, Transaction
from chalicelib.catalogue import change_record
from chalicelib.errors import Conflict, NotFound, PreconditionFailed, Transient
from chalicelib.limits import EVENT_DESCRIPTION_BYTES_MAX, WRITE_ATTEMPTS_MAX


@dataclass(frozen=True)
class Product:
    """A product as readers see it."""

    id: int
    sku: str
    sku_key: str
    """What identifies the SKU: trimmed, normalized and in lower case. Only the database computes it."""
    name: str
    description: str
    active: bool
    content_version: int
    """The version that last changed the content."""
    created_at: datetime
    updated_at: datetime

    def event_data(self) -> dict[str, Any]:
        """Returns the data of an event about this product, ready for JSON. A long description is cut."""
        description = _beginning(self.description)
        return {
            "id": str(self.id),
            "sku": self.sku,
            "name": self.name,
            "description": description,
            "description_is_cut": description != self.description,
            "active": self.active,
            "created_at": events.written(self.created_at),
            "updated_at": events.written(self.updated_at),
        }


@dataclass(frozen=True)
class _Row(Product):
    """A row of the table, which may be a tombstone or lie below the floor."""

    version: int
    deleted: bool

    def is_visible(self, floor: int) -> bool:
        """Whether readers see it as a product."""
        return not self.deleted and self.version >= floor


@dataclass(frozen=True)
class Content:
    """Everything that clients can write of a product. The caller has trimmed SKU and name."""

    sku: str
    name: str
    description: str = ""
    active: bool = True


@dataclass(frozen=True)
class Changes:
    """The fields that an edit writes; None leaves a field as it is. A SKU with another key is a rename."""

    sku: str | None = None
    name: str | None = None
    description: str | None = None
    active: bool | None = None


def create(backends: Backends, content: Content) -> Product:
    """Creates a product. Raises Conflict, which names the product that has the SKU, and Transient."""
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            key = _key(transaction, content.sku)
            _refuse_taken(_locked(transaction, key), key, floor)
            created = _put(transaction, content, floor)
            if created is not None:
                change_record.add(transaction, created.version, created_id=created.id)
                _record_event(transaction, "product.created", created)
                return created
    raise Transient(f"other writers keep changing the SKU {content.sku}")


def edit(backends: Backends, product_id: int, changes: Changes, expected: Container[int] | None = None) -> Product:
    """Writes some fields of a product; with `expected`, only if its content version is one of these.

    Raises NotFound, PreconditionFailed, Conflict when the new SKU is taken, Transient.
    """
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            before_lock = _find(transaction, product_id)
            key = before_lock.sku_key if changes.sku is None else _key(transaction, changes.sku)
            rows = _locked(transaction, before_lock.sku_key, key)
            current = rows.get(before_lock.sku_key)
            if current is None or current.id != product_id or not current.is_visible(floor):
                continue  # It was renamed or deleted before we had the lock.
            _refuse_unexpected(current, expected)
            if key == before_lock.sku_key:
                return _edit(transaction, product_id, changes)
            _refuse_taken(rows, key, floor)
            renamed = _rename(transaction, current, changes, floor)
            if renamed is None:
                raise RollBack  # Another writer took the SKU after we had found it free.
            return renamed
    raise Transient(f"other writers keep changing product {product_id}")


def delete(backends: Backends, product_id: int, expected: Container[int] | None = None) -> None:
    """Deletes a product; with `expected`, only if its content version is one of these.

    A tombstone keeps older imports from bringing it back. Raises NotFound, PreconditionFailed, Transient.
    """
    for _ in range(WRITE_ATTEMPTS_MAX):
        with backends.database.transaction() as transaction:
            floor = acceptance.enter(transaction)
            before_lock = _find(transaction, product_id)
            current = _locked(transaction, before_lock.sku_key).get(before_lock.sku_key)
            if current is not None and current.id == product_id and current.is_visible(floor):
                _refuse_unexpected(current, expected)
                version = _bury(transaction, current)
                change_record.add(transaction, version, keys=[current.sku_key], deleted=1)
                deleted = {"id": str(product_id), "sku": current.sku}
                events.record(transaction, "product.deleted", f"{product_id}:{version}", deleted)
                return
    raise Transient(f"other writers keep changing product {product_id}")


def _rename(transaction: Transaction, current: _Row, changes: Changes, floor: int) -> _Row | None:
    """Leaves a tombstone at the old SKU and writes the whole product at the new one. None if another writer was faster.

    The product keeps its id and its time of creation.
    """
    content = Content(
        sku=changes.sku or current.sku,
        name=current.name if changes.name is None else changes.name,
        description=current.description if changes.description is None else changes.description,
        active=current.active if changes.active is None else changes.active,
    )
    version = _bury(transaction, current)
    renamed = _put(transaction, content, floor, version, product_id=current.id, created_at=current.created_at)
    if renamed is not None:
        change_record.add(transaction, version, keys=[current.sku_key, renamed.sku_key])
        _record_event(transaction, "product.updated", renamed)
    return renamed


def _bury(transaction: Transaction, current: _Row) -> int:
    """Turns a locked row into a tombstone. Returns its version."""
    version = acceptance.next_version(transaction)
    transaction.run("bury_product", id=current.id, version=version)
    return version


def _put(
    transaction: Transaction,
    content: Content,
    floor: int,
    version: int | None = None,
    *,
    product_id: int | None = None,
    created_at: datetime | None = None,
) -> _Row | None:
    return transaction.one(
        "put_product",
        _Row,
        id=product_id,
        created_at=created_at,
        version=acceptance.next_version(transaction) if version is None else version,
        floor=floor,
        **asdict(content),
    )


def _edit(transaction: Transaction, product_id: int, changes: Changes) -> Product:
    version = acceptance.next_version(transaction)
    edited = transaction.row("edit_product", Product, id=product_id, version=version, **asdict(changes))
    if edited.content_version == version:
        change_record.add(transaction, version, keys=[edited.sku_key])
        _record_event(transaction, "product.updated", edited)
    return edited


def _record_event(transaction: Transaction, event_type: str, product: Product) -> None:
    events.record(transaction, event_type, f"{product.id}:{product.content_version}", product.event_data())


def _find(transaction: Transaction, product_id: int) -> Product:
    product = transaction.one("find_product", Product, id=product_id)
    if product is None:
        raise NotFound(f"there is no product {product_id}")
    return product


def _locked(transaction: Transaction, *keys: str) -> dict[str, _Row]:
    return {row.sku_key: row for row in transaction.all("lock_keys", _Row, keys=list(keys))}


def _refuse_taken(rows: dict[str, _Row], key: str, floor: int) -> None:
    holder = rows.get(key)
    if holder is not None and holder.is_visible(floor):
        raise Conflict(
            f"the SKU {holder.sku} belongs to another product",
            code="sku_taken",
            members={"product_id": str(holder.id), "sku": holder.sku},
        )


def _refuse_unexpected(locked: Product, expected: Container[int] | None) -> None:
    """Checks the locked row: before the lock, another writer could still change it between our check and our write."""
    if expected is not None and locked.content_version not in expected:
        raise PreconditionFailed(
            f"product {locked.id} has been changed since it was read; read it again and repeat the change"
        )


def _key(transaction: Transaction, sku: str) -> str:
    """Returns the SKU's key, computed where it is defined: in the database."""
    return transaction.value("key_of", str, sku=sku)


def _beginning(description: str) -> str:
    """Returns as much of it as fits into an event, measured in JSON: some characters take six bytes there."""
    if _json_bytes(description) <= EVENT_DESCRIPTION_BYTES_MAX:
        return description
    sizes = accumulate(_json_bytes(character) for character in description[:EVENT_DESCRIPTION_BYTES_MAX])
    return description[: bisect_right(list(sizes), EVENT_DESCRIPTION_BYTES_MAX)]


def _json_bytes(text: str) -> int:
    """The bytes between the quotes."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""')
