"""The one definition of “the same SKU”, compared with Unicode's rules and tested with every code point."""

from __future__ import annotations

import sys
import unicodedata

from tests.support.pipeline import Pipeline

SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
SLOW = "normalize(lower(normalize(btrim(sku, %s), NFC) collate pg_c_utf8), NFC)"


def test_white_space_is_what_python_strips(pipeline: Pipeline) -> None:
    found = pipeline.sql(
        "select sku_key(sku) as key from unnest(%s::text[]) sku", [f"{each}a{each}" for each in SPACES]
    )

    assert [row["key"] for row in found] == ["a"] * len(SPACES)


def test_the_fast_path_for_ascii_gives_the_same_key(pipeline: Pipeline) -> None:
    texts = [f"{chr(first)}A{chr(second)}z{chr(first)}" for first in range(1, 128) for second in range(1, 128)]

    found = pipeline.sql(
        f"select sku, sku_key(sku) as fast, {SLOW} as slow from unnest(%s::text[]) sku", "".join(SPACES), texts
    )

    assert [row["sku"] for row in found if row["fast"] != row["slow"]] == []


def test_every_code_point_keeps_its_key_however_it_is_composed(pipeline: Pipeline) -> None:
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    pairs = [(f"x{each}", f"x{unicodedata.normalize('NFD', each)}") for each in letters]
    decomposed = [pair for pair in pairs if pair[0] != pair[1]]

    found = pipeline.sql(
        "select composed from unnest(%s::text[], %s::text[]) as t (composed, decomposed)"
        " where sku_key(composed) is distinct from sku_key(decomposed)"
        " or sku_key(sku_key(composed)) is distinct from sku_key(composed)",
        [one for one, _ in decomposed],
        [other for _, other in decomposed],
    )

    assert found == []


def test_upper_and_lower_case_are_the_same_sku(pipeline: Pipeline) -> None:
    found = pipeline.sql(
        "select sku_key('ÄÖÜ-ÉŁ') = sku_key('äöü-éł') as latin, sku_key('ΑΒΓ') = sku_key('αβγ') as greek,"
        " sku_key('ПРИВЕТ') = sku_key('привет') as cyrillic, sku_key(null) is null as nothing"
    )

    assert found == [{"latin": True, "greek": True, "cyrillic": True, "nothing": True}]
