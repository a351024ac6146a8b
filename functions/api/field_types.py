"""Text from outside: what PostgreSQL can hold, and how a product's fields are judged at the edge.

The limits are those of the CSV import, so that what can be imported can be written by hand, and the other way round.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from chalicelib.limits import DESCRIPTION_BYTES_MAX, NAME_CHARACTERS_MAX, SKU_CHARACTERS_MAX

NO_NUL = {"pattern": r"^[^\x00]*$"}
"""What the validators below refuse, told to those who read the document."""
_NOT_BLANK = {"pattern": r"^[^\x00]*[^\x00\s\x1c-\x1f\x85][^\x00]*$"}


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, and no surrogates, which no encoding can write."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _trimmed(value: object) -> object:
    """Trims before the length is judged. The white space is Python's, the same set that the database's key trims."""
    return value.strip() if isinstance(value, str) else value


def storable_text(text: str) -> str:
    """For models: the text, if it can be stored. Raises ValueError."""
    if not storable(text):
        raise ValueError("holds a NUL character, which no text may contain")
    return text


def _short_enough(description: str) -> str:
    size_bytes = len(description.encode("utf-8", "surrogatepass"))
    if size_bytes > DESCRIPTION_BYTES_MAX:
        raise ValueError(f"has {size_bytes:,} bytes in UTF-8; there may be {DESCRIPTION_BYTES_MAX:,}")
    return description


Sku = Annotated[
    str,
    Field(
        min_length=1,
        max_length=SKU_CHARACTERS_MAX,
        description="Trimmed; the same SKU in any case of its letters",
        json_schema_extra={**_NOT_BLANK},
    ),
    BeforeValidator(_trimmed),
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
        description=f"Kept as it is; at most {DESCRIPTION_BYTES_MAX:,} bytes in UTF-8",
        json_schema_extra={**NO_NUL},
    ),
    AfterValidator(_short_enough),
    AfterValidator(storable_text),
]
