"""The description of a product in an event: as much as fits, measured in JSON, and nothing more is cut."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chalicelib.catalogue.products import Product
from chalicelib.limits import EVENT_DESCRIPTION_BYTES_MAX

BYTES_IN_JSON = {"x": 1, "ü": 2, '"': 2, "漢": 3, "\U0001f528": 4, "\x01": 6}
MOMENT = datetime(2026, 11, 24, tzinfo=UTC)


def described(description: str) -> tuple[str, bool]:
    product = Product(1, "A", "a", "A", description, True, 1, MOMENT, MOMENT)
    data = json.loads(json.dumps(product.event_data()))
    return data["description"], data["description_is_cut"]


@pytest.mark.parametrize(("character", "size_bytes"), BYTES_IN_JSON.items())
def test_as_much_of_a_description_is_in_an_event_as_fits(character: str, size_bytes: int) -> None:
    fitting = character * (EVENT_DESCRIPTION_BYTES_MAX // size_bytes)

    assert described(fitting) == (fitting, False)
    assert described(fitting + character) == (fitting, True)
    assert described(fitting * 5) == (fitting, True)


def test_a_character_is_not_cut_in_two() -> None:
    assert described("x" * (EVENT_DESCRIPTION_BYTES_MAX - 3) + "\U0001f528") == ("x" * 11_997, True)
