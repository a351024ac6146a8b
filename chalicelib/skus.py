"""Which SKUs count as empty: those without a visible character.

When two SKUs are the same is defined in the database alone (the function `sku_key`). A test compares the two.
"""

from __future__ import annotations

INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Soft hyphen, zero-width space, non-joiner and joiner, word joiner, byte order mark: they do not count in a SKU."""
_WITHOUT_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))


INVISIBLE_PATTERN = "".join(f"\\u{ord(each):04x}" for each in INVISIBLE)
"""The same for a class of a regular expression."""


def is_empty(sku: str) -> bool:
    """Returns whether the SKU has only white space and invisible characters, or none at all."""
    return not sku.translate(_WITHOUT_INVISIBLE).strip()
