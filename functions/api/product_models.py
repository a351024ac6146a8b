"""A product as JSON: what clients send, what they are answered, and the entity tag of its content."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.catalogue import products
from chalicelib.catalogue.sources import Source
from chalicelib.limits import LIST_TEXT_CHARACTERS_MAX
from functions.api.etags import is_known, strong_tags
from functions.api.field_types import Description, Name, Sku
from functions.api.paging import Page

_TAG = re.compile(r'"([0-9a-f]{1,16})-([0-9a-f]{1,16})"')


class WholeProduct(BaseModel):
    """A whole product: a new one, or the replacement of a stored one."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"sku": "H-1", "name": "Hammer", "description": "Ash handle.", "active": True}]
        },
    )

    sku: Sku
    name: Name
    description: Description = ""
    active: bool = True


class ProductChanges(BaseModel):
    """Changes to a product; fields that are left out keep their values. No field can be null.

    The defaults are never used: they only make the fields optional.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"name": "Claw hammer", "active": False}]}
    )

    sku: Sku = Field(default_factory=str)
    name: Name = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    active: bool = Field(default_factory=bool)

    def given(self) -> dict[str, Any]:
        """Returns the fields that the body has."""
        return self.model_dump(exclude_unset=True)


class ImportSource(BaseModel):
    """The content comes from this line of an imported file."""

    kind: Literal["import"] = "import"
    import_id: Annotated[str | None, Field(description="Null if the import is no longer kept")]
    filename: Annotated[str | None, Field(description="Null if the import is no longer kept")]
    line: int
    file_kept: Annotated[bool, Field(description="False once S3 has confirmed that the file is no longer stored")]

    @classmethod
    def of(cls, source: Source) -> ImportSource:
        """Returns the model of the line that a product comes from."""
        import_id = None if source.import_id is None else str(source.import_id)
        return cls(import_id=import_id, filename=source.filename, line=source.line, file_kept=source.file_kept)


class EditSource(BaseModel):
    """The content was written through the API or on the web page."""

    kind: Literal["edit"] = "edit"


class Product(BaseModel):
    """A product."""

    id: str
    sku: str
    name: str
    description: str
    active: bool
    created_at: datetime
    updated_at: datetime
    source: Annotated[ImportSource | EditSource, Field(discriminator="kind", description="What changed it last")]

    @classmethod
    def of(cls, product: products.Product, source: Source | None) -> Product:
        """Returns the model of a product; without a source, its content was edited."""
        return cls(**_fields(product, source))


class ListedProduct(Product):
    """A product in a list. Read the product for the whole of a long description."""

    description: Annotated[str, Field(description=f"The beginning: at most {LIST_TEXT_CHARACTERS_MAX} characters")]
    description_is_cut: Annotated[bool, Field(description="Whether `description` is only the beginning")]

    @classmethod
    def listed(cls, product: products.Product, source: Source | None) -> ListedProduct:
        """Returns the model of a product in a list."""
        shown = product.description[:LIST_TEXT_CHARACTERS_MAX]
        is_cut = shown != product.description
        return cls(**{**_fields(product, source), "description": shown, "description_is_cut": is_cut})


class ProductPage(Page[ListedProduct]):
    """One page of products."""

    search_index: Annotated[
        Literal["current", "behind"],
        Field(description="Behind for some time after a large import: results are the same, rare words take longer"),
    ]


def _fields(product: products.Product, source: Source | None) -> dict[str, Any]:
    return {
        "id": str(product.id),
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "active": product.active,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
        "source": EditSource() if source is None else ImportSource.of(source),
    }


def etag(product: products.Product) -> str:
    """Returns the tag of a product's content. An import that changes nothing does not change the tag."""
    return _tag_of(product.id, product.content_version)


@dataclass(frozen=True)
class _Unnamed:
    """The accepted content versions, without those that the client says it already has."""

    product_id: int
    accepted: Container[int] | None
    if_none_match: str

    def __contains__(self, version: object) -> bool:
        assert isinstance(version, int)
        known = is_known(_tag_of(self.product_id, version), self.if_none_match)
        return not known and (self.accepted is None or version in self.accepted)


def expected_versions(product_id: int, if_match: str | None, if_none_match: str | None) -> Container[int] | None:
    """Returns the content versions that the conditions of a write accept; None for any.

    If-None-Match refuses what it names: with `*`, every product that exists (RFC 9110, 13.1.2).
    """
    accepted = _matching_versions(product_id, if_match)
    return accepted if if_none_match is None else _Unnamed(product_id, accepted, if_none_match)


def _tag_of(product_id: int, content_version: int) -> str:
    return f'"{product_id:x}-{content_version:x}"'


def _matching_versions(product_id: int, if_match: str | None) -> frozenset[int] | None:
    """Returns the content versions that If-Match names. Tags of other products match nothing."""
    tags = strong_tags(if_match)
    if tags is None:
        return None
    parts = [matched.groups() for tag in tags if (matched := _TAG.fullmatch(tag))]
    return frozenset(int(version, 16) for tagged_id, version in parts if int(tagged_id, 16) == product_id)
