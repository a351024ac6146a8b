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
    """The line of an imported file that a product's content comes from."""

    import_id: uuid.UUID | None
    """None if the import is no longer kept; neither is its file then."""
    filename: str | None
    line: int
    file_kept: bool
    """False once S3 has confirmed that the file is gone."""


@dataclass(frozen=True)
class _ImportFile:
    """An import and its operation number."""

    operation: int
    id: uuid.UUID
    filename: str
    file_kept: bool


def sources_of(transaction: Transaction, products: Iterable[Product]) -> dict[int, Source | None]:
    """Returns the source of each content version of these products; None for an edit."""
    versions = {product.content_version for product in products}
    operations = sorted({operation_of(version) for version in versions})
    files = transaction.all("imports_of_operations", _ImportFile, operations=operations)
    by_operation = {file.operation: file for file in files}
    return {version: _source(version, by_operation.get(operation_of(version))) for version in versions}


def _source(version: int, file: _ImportFile | None) -> Source | None:
    """An edit has no line. So a version with a line comes from an import, even if that is no longer kept."""
    line = line_of(version)
    if not line:
        return None
    if file is None:
        return Source(None, None, line, file_kept=False)
    return Source(file.id, file.filename, line, file.file_kept)
