"""Where products come from: what wrote their content last."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

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
class _VersionSource(Source):
    """The source of one version. Only the database unpacks versions."""

    version: int


def sources_of(transaction: Transaction, products: Iterable[Product]) -> dict[int, Source | None]:
    """Returns the source of each content version of these products; None for an edit.

    An edit has no line. So a version with a line comes from an import, even if that is no longer kept.
    """
    versions = {product.content_version for product in products}
    found = transaction.all("sources_of_versions", _VersionSource, versions=sorted(versions))
    by_version = {source.version: source for source in found}
    return {version: by_version.get(version) for version in versions}
