"""Types of text fields: text that PostgreSQL can store, and the fields of a product.

Their limits are those of the CSV import: anything that can be imported can be entered manually, and vice versa.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from chalicelib import skus
from chalicelib.limits import DESCRIPTION_BYTES_MAX, NAME_CHARACTERS_MAX, SKU_CHARACTERS_MAX

NO_NUL = {"pattern": r"^[^\x00]*$"}
"""What the validators below refuse, for the OpenAPI document."""
_NOT_BLANK = {"pattern": r"^[^\x00]*[^\x00\s\x1c-\x1f\x85][^\x00]*$"}
_VISIBLE = {"pattern": rf"^[^\x00]*[^\x00\s\x1c-\x1f\x85{skus.INVISIBLE_PATTERN}][^\x00]*$"}


@dataclass(frozen=True)
class Matching:
    """For models: the text must match the pattern, otherwise the message says what is wrong with it."""

    pattern: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Adds the check after those of the type."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Adds the pattern to the OpenAPI document."""
        return {**handler(schema), "pattern": self.pattern}

    def _checked(self, text: str) -> str:
        # Unlike `search`, this does not accept a line break after the end, as `$` would.
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.message)
        return text


def storable(text: str) -> bool:
    """Whether PostgreSQL can store it: no NUL, and no surrogates, which cannot be encoded."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _trimmed(value: object) -> object:
    """Trims before the length is checked. Python's white space is the same set that the database's key trims."""
    return value.strip() if isinstance(value, str) else value


def storable_text(text: str) -> str:
    """For models: returns the text if it can be stored. Raises ValueError."""
    if not storable(text):
        raise ValueError("contains a NUL character or half of a surrogate pair; remove it")
    return text


def _visible(sku: str) -> str:
    if skus.is_empty(sku):
        raise ValueError("has only invisible characters; enter at least one that is visible")
    return sku


def _short_enough(description: str) -> str:
    size_bytes = len(description.encode("utf-8", "surrogatepass"))
    if size_bytes > DESCRIPTION_BYTES_MAX:
        raise ValueError(f"has {size_bytes:,} bytes in UTF-8; the maximum is {DESCRIPTION_BYTES_MAX:,}")
    return description


def _text_of_a_time(value: object) -> object:
    """pydantic would also accept numbers, as seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a string with date, time and time zone, such as 2026-11-24T09:30:00Z")  # noqa: TRY004
    return value


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text_of_a_time)]
"""A moment, as text with a time zone."""
Sku = Annotated[
    str,
    Field(
        min_length=1,
        max_length=SKU_CHARACTERS_MAX,
        description="Trimmed. Not case-sensitive: `abc` and `ABC` are the same SKU. Invisible characters do not count",
        json_schema_extra={**_VISIBLE},
    ),
    BeforeValidator(_trimmed),
    AfterValidator(_visible),
    AfterValidator(storable_text),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=NAME_CHARACTERS_MAX, description="Trimmed", json_schema_extra={**_NOT_BLANK}),
    BeforeValidator(_trimmed),
    AfterValidator(storable_text),
]
Description = Annotated[
    str,
    Field(
        description=f"Not trimmed. At most {DESCRIPTION_BYTES_MAX:,} bytes in UTF-8",
        json_schema_extra={**NO_NUL},
    ),
    AfterValidator(_short_enough),
    AfterValidator(storable_text),
]
