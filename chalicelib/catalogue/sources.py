"""Where products come from: what wrote their content last."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.acceptance import line_of, operation_of
from chalicelib.backends.database import Transaction
from chalicelib.catalogue.products import Product


@dataclass(frozen=True)
class Source:
    """The line of an import that a product's content comes from."""

    import_id: uuid.UUID
    filename: str
    line: int


@dataclass(frozen=True)
class _ImportFile:
    """An import and its operation number."""

    operation: int
    id: uuid.UUID
    filename: str


def sources_of(transaction: Transaction, products: Iterable[Product]) -> dict[int, Source | None]:
    """Returns the source of each content version of these products; None for an edit."""
    versions = {product.content_version for product in products}
    operations = sorted({operation_of(version) for version in versions})
    files = transaction.all("imports_of_operations", _ImportFile, operations=operations)
    by_operation = {file.operation: file for file in files}
    return {version: _source(version, by_operation.get(operation_of(version))) for version in versions}


def _source(version: int, file: _ImportFile | None) -> Source | None:
    return None if file is None else Source(file.id, file.filename, line_of(version))
