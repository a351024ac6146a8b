"""A product as JSON: what people send, what they are answered, and the entity tag of its content."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.catalogue.listing import Source
from functions.api.etags import is_known, strong_tags
from functions.api.field_types import Description, Name, Sku
from functions.api.paging import Page

_TAG = re.compile(r'"([0-9a-f]{1,16})-([0-9a-f]{1,16})"')


class WholeProduct(BaseModel):
    """All of a product: to be made, or to take the place of what is stored."""

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
    """Some of a product; what is not given is left alone. No field can be null, because none can be without a value.

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
        """The fields that the body has."""
        return self.model_dump(exclude_unset=True)


class ImportSource(BaseModel):
    """The content comes from this line of an imported file."""

    kind: Literal["import"] = "import"
    import_id: str
    filename: str
    line: int


class EditSource(BaseModel):
    """The content was written by hand."""

    kind: Literal["edit"] = "edit"


class Product(BaseModel):
    """A product, as it is answered."""

    id: str
    sku: str
    name: str
    description: str
    active: bool
    created_at: datetime
    updated_at: datetime
    source: Annotated[ImportSource | EditSource, Field(discriminator="kind", description="What changed it last")]


class ProductPage(Page[Product]):
    """One page of products."""

    search_index: Annotated[
        Literal["current", "behind"],
        Field(description="Behind after an import, for a minute or two: answers are the same, rare words take longer"),
    ]


def shown(found: DictRow, sources: dict[int, Source]) -> Product:
    """The answer for one stored product."""
    source = sources[found["content_version"]]
    return Product(
        id=str(found["id"]),
        sku=found["sku"],
        name=found["name"],
        description=found["description"],
        active=found["active"],
        created_at=found["created_at"],
        updated_at=found["updated_at"],
        source=EditSource()
        if source.import_id is None or source.filename is None
        else ImportSource(import_id=source.import_id, filename=source.filename, line=source.line),
    )


def etag(found: DictRow) -> str:
    """The tag of a product's content. An import that finds nothing to change leaves it as it is."""
    return _tag_of(found["id"], found["content_version"])


@dataclass(frozen=True)
class _Unknown:
    """The content versions that are accepted, and that a client does not say it has."""

    product_id: int
    accepted: Container[int] | None
    if_none_match: str

    def __contains__(self, version: object) -> bool:
        assert isinstance(version, int)
        known = is_known(_tag_of(self.product_id, version), self.if_none_match)
        return not known and (self.accepted is None or version in self.accepted)


def expected_versions(product_id: int, if_match: str | None, if_none_match: str | None) -> Container[int] | None:
    """The content versions that the conditions of a write accept; None for any.

    If-None-Match refuses what it names: with `*` every product that exists (RFC 9110, 13.1.2).
    """
    accepted = _matching_versions(product_id, if_match)
    return accepted if if_none_match is None else _Unknown(product_id, accepted, if_none_match)


def _tag_of(product_id: int, content_version: int) -> str:
    return f'"{product_id:x}-{content_version:x}"'


def _matching_versions(product_id: int, if_match: str | None) -> frozenset[int] | None:
    """Tags of other products accept nothing."""
    tags = strong_tags(if_match)
    if tags is None:
        return None
    parts = [matched.groups() for tag in tags if (matched := _TAG.fullmatch(tag))]
    return frozenset(int(version, 16) for tagged_id, version in parts if int(tagged_id, 16) == product_id)
