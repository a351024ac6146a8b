"""The one definition of “the same SKU”, compared with Unicode's rules and tested with every code point."""

from __future__ import annotations

import sys
import unicodedata

from chalicelib import skus
from tests.support.pipeline import Pipeline

SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
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


def test_invisible_characters_do_not_count_wherever_they_are(pipeline: Pipeline) -> None:
    forms = ["{}a-é", "a{}-é", "a-e{}\u0301", "a-é{}", " {} a-é", "A-É{} \t", "{0}{0}a-é"]
    written = [form.format(each) for form in forms for each in INVISIBLE]

    found = pipeline.sql("select distinct sku_key(sku) as key from unnest(%s::text[]) sku", written)

    assert found == [{"key": "a-é"}]


def test_no_other_character_is_left_out(pipeline: Pipeline) -> None:
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]

    found = pipeline.sql("select sku from unnest(%s::text[]) sku where sku_key('x' || sku || 'x') = 'xx'", letters)

    assert sorted(row["sku"] for row in found) == sorted(INVISIBLE)


def test_python_and_the_database_agree_on_what_is_empty(pipeline: Pipeline) -> None:
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    texts = [*letters, "\u200b \ufeff", " \u00ad\t", "\u200b.\u200b"]

    found = pipeline.sql("select sku from unnest(%s::text[]) sku where sku_key(sku) = ''", texts)

    assert {row["sku"] for row in found} == {sku for sku in texts if skus.is_empty(sku)}


def test_final_sigma_is_sigma(pipeline: Pipeline) -> None:
    found = pipeline.sql("select distinct sku_key(sku) as key from unnest(%s::text[]) sku", ["ΟΔΌΣ", "οδός", "οδόσ"])

    assert found == [{"key": "οδόσ"}]


def test_upper_and_lower_case_are_the_same_sku(pipeline: Pipeline) -> None:
    found = pipeline.sql(
        "select sku_key('ÄÖÜ-ÉŁ') = sku_key('äöü-éł') as latin, sku_key('ΑΒΓ') = sku_key('αβγ') as greek,"
        " sku_key('ПРИВЕТ') = sku_key('привет') as cyrillic, sku_key(null) is null as nothing"
    )

    assert found == [{"latin": True, "greek": True, "cyrillic": True, "nothing": True}]
