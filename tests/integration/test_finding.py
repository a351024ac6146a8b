"""Finding products folds texts as the identity of SKUs does, wherever the texts are read.

The oracle is Python's unicodedata, with the lower case of PostgreSQL: the two know different versions of Unicode, and
Python has rules of its own for `İ` and the final `ς`.
"""

from __future__ import annotations

import csv
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from chalicelib.backends import migrations
from chalicelib.catalogue import products
from chalicelib.catalogue.listing import SORTS, Filters, Place, find
from chalicelib.catalogue.products import Content
from chalicelib.limits import FILTER_CHARACTERS_MAX
from infra.local.testing import Services
from tests.support import indexing
from tests.support.exported import export, skus

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
ATOMS = [
    *("e", "E", "\u0301", "\u0327", "\u0327\u0301", "\u0301\u0327", "\u00e9", "\u00c9", "\u00e7"),
    *("i", "I", "\u0130", "I\u0307", "i\u0307", "\u0131", "\u00df", "\u1e9e", "\u03c3", "\u03a3", "\u03c2"),
    *("\u01f0", "J\u030c", "\u0390", "\u03aa\u0301", "\u1fbe", "\u03b9", "K", "\u212a", "\u212b", "\u2126"),
    *("B", "q", "Q", "7", "0"),
    *(";", "\u037e", "`", "\u1fef", "%", "_", "\\", "'", "a", "b", "c", "x", " ", "  ", "\U0001f9e8", "\ufe0f"),
    *("\ud55c", "\u1112\u1161\u11ab", "\ud558", "\u11ab", "\u0439", "\u0438\u0306", "\u0416"),
    *(
        "\u0e14\u0e38\u0e48",
        "\u0e14\u0e48\u0e38",
        "\u0e01",
        "\u0995\u09cb",
        "\u0995\u09c7\u09be",
        "\u0958",
        "\u0915\u093c",
    ),
    *INVISIBLE,
    *("\uf900", "\u8c48", "\u304c", "\u304b\u3099", "\ufb2e", "\u05d0\u05b7", "\u0622", "\u0627\u0653"),
]
"""Letters that fold in special ways, and letters that are easily confused with them."""
FORMS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    partial(unicodedata.normalize, "NFC"),
    partial(unicodedata.normalize, "NFD"),
]
SPACES = "".join(chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace())
PRODUCTS = 120
SEARCHES = 60
VISIBLE = f"translate(given, '{INVISIBLE}', '')"
SLOW = f"replace(normalize(lower(normalize({VISIBLE}, NFC) collate pg_c_utf8), NFC), 'ς', 'σ')"
LETTERS = [
    chr(code)
    for code in range(1, sys.maxunicode + 1)
    if unicodedata.category(chr(code)) not in {"Cn", "Co", "Cs"}
    and (code % 50 == 0 or unicodedata.name(chr(code), "")[:11] not in {"CJK UNIFIED", "HANGUL SYLL"})
]
"""Every assigned character, except most Chinese and Korean ones: there are tens of thousands, all alike."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Oracle:
    """Folds texts. `lowered` is what PostgreSQL makes of each of their composed forms."""

    lowered: dict[str, str]

    @classmethod
    def of(cls, pipeline: Pipeline, texts: Iterable[str]) -> Oracle:
        composed = list({visible(text) for text in texts})
        rows = pipeline.sql(
            "select given, lower(given collate pg_c_utf8) as low from unnest(%s::text[]) given", composed
        )
        return cls({row["given"]: row["low"] for row in rows})

    def fold(self, text: str) -> str:
        return unicodedata.normalize("NFC", self.lowered[visible(text)]).replace("\u03c2", "\u03c3")

    def matches(self, row: Row, field: str, wanted: str) -> bool:
        fields = ("sku", "name", "description") if field == "q" else (field,)
        return any(self.fold(visible(wanted).strip()) in self.fold(row[each]) for each in fields)


def visible(text: str) -> str:
    """The text in its composed form, without the characters that do not count."""
    return unicodedata.normalize("NFC", re.sub(f"[{INVISIBLE}]", "", text))


def some_text(chance: random.Random, length: int) -> str:
    text = chance.choice(FORMS)("".join(chance.choices(ATOMS, k=length)))
    return text.strip() or "e"


def some_content(chance: random.Random, number: int) -> Content:
    sku = f"{some_text(chance, 5)}n{number}"
    return Content(sku, some_text(chance, 12), some_text(chance, 20) if number % 3 else "", active=True)


def some_searches(chance: random.Random, rows: list[Row]) -> Iterator[tuple[str, str]]:
    """Parts of the products' texts in another form, cut anywhere, so that some begin or end inside a letter."""
    while True:
        field = chance.choice(("sku", "name", "description", "q"))
        source = chance.choice(FORMS)(chance.choice(rows)["name" if field == "q" else field])
        start = chance.randrange(len(source) + 1)
        wanted = source[start : start + chance.randint(1, 6)] or some_text(chance, 2)
        if visible(wanted).strip():
            yield field, chance.choice(("", " ", "\t\u3000")) + wanted + chance.choice(("", "\u00a0", "\x1c"))


def as_file(contents: list[Content]) -> bytes:
    file = StringIO(newline="")
    csv.writer(file).writerows([("sku", "name", "description"), *((c.sku, c.name, c.description) for c in contents)])
    return file.getvalue().encode()


def found(pipeline: Pipeline, field: str, wanted: str, limit: int) -> list[int]:
    filters: dict[str, Any] = {field: wanted}
    with pipeline.backends.database.transaction() as transaction:
        return [each.id for each in find(transaction, Filters(**filters), Place(SORTS["id"], limit)).products]


@pytest.mark.parametrize("source", ["catalogue", "index", "index and edits"])
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_does_not_depend_on_case_form_and_source(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, source: str, sampled: bool, seed: int
) -> None:
    chance = random.Random(seed)
    contents = [some_content(chance, number) for number in range(PRODUCTS)]
    pipeline.run(as_file(contents[10:]))
    if source != "catalogue":
        indexing.fill(pipeline.backends)
    for each in contents[:10]:
        products.create(pipeline.backends, each)
    if source == "index":
        indexing.fill(pipeline.backends)
    if sampled:
        monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_PAGES", 1)
        monkeypatch.setattr("chalicelib.catalogue.listing.SAMPLE_MATCHES_MIN", 0)
    rows = pipeline.sql("select id, sku, name, description from product order by id")
    assert len(rows) == PRODUCTS
    searches = [search for search, _ in zip(some_searches(chance, rows), range(SEARCHES), strict=False)]
    texts = [row[field] for row in rows for field in ("sku", "name", "description")]
    oracle = Oracle.of(pipeline, [*texts, *(visible(wanted).strip() for _, wanted in searches)])

    for field, wanted in searches:
        expected = [row["id"] for row in rows if oracle.matches(row, field, wanted)]
        assert found(pipeline, field, wanted, PRODUCTS) == expected, (field, wanted)
        assert found(pipeline, field, wanted, 1) == expected[:1], (field, wanted)


def test_an_export_contains_what_the_list_finds(pipeline: Pipeline) -> None:
    for sku, name in (("A1", "Cafe\u0301"), ("B1", "CAFÉ"), ("C1", "cafe"), ("D1", "\u0130stanbul")):
        products.create(pipeline.backends, Content(sku, name))

    assert skus(export(pipeline, name=" café\u3000")) == ["A1", "B1"]
    assert skus(export(pipeline, q="I\u0307STANBUL")) == ["D1"]
    assert skus(export(pipeline, sku="a1 ")) == ["A1"]
    assert skus(export(pipeline, name=" \t", description="", active=True)) == ["A1", "B1", "C1", "D1"]


def test_a_sku_that_is_taken_is_found(pipeline: Pipeline) -> None:
    taken = pipeline.call("POST", "/products", {"sku": "CAFE\u0301-1", "name": "x"}).json
    for _ in range(2):
        refused = pipeline.call("POST", "/products", {"sku": "CAF\u00c9-1", "name": "y"})
        assert (refused.status, refused.json["product_id"]) == (409, taken["id"])
        for field in ("sku", "q"):
            listed = pipeline.call("GET", f"/products?{field}={quote('CAFÉ-1 ')}").json
            assert [each["id"] for each in listed["items"]] == [taken["id"]]
        indexing.fill(pipeline.backends)


def test_a_letter_is_not_found_by_a_part_of_it(pipeline: Pipeline) -> None:
    """However it is composed: `e` is not in `é`, and neither is the accent."""
    for sku, name in (("1", "caf\u00e9"), ("2", "cafe\u0301")):
        products.create(pipeline.backends, Content(sku, name))

    assert found(pipeline, "name", "cafe", 9) == []
    assert found(pipeline, "name", "\u0301", 9) == []
    assert len(found(pipeline, "name", "caf", 9)) == 2


@pytest.mark.parametrize("field", ["sku", "name", "description", "q"])
def test_a_filter_is_trimmed_and_a_blank_one_does_not_filter(pipeline: Pipeline, field: str) -> None:
    pipeline.call("POST", "/products", {"sku": "Q1", "name": "Q1", "description": "Q1"})
    pipeline.call("POST", "/products", {"sku": "Z", "name": "Z"})

    assert pipeline.call("GET", f"/products?{field}={quote(f'{SPACES}Q1{SPACES}')}").json["total"] == 1
    for blank in ("", " ", SPACES, " " * FILTER_CHARACTERS_MAX):
        assert pipeline.call("GET", f"/products?{field}={quote(blank)}").json["total"] == 2


def test_a_cursor_continues_when_the_filter_is_written_otherwise(pipeline: Pipeline) -> None:
    for number in range(4):
        pipeline.call("POST", "/products", {"sku": f"É-{number}", "name": "x"})
    first = pipeline.call("GET", "/products?sku=%C3%89-%20&limit=2&sort=sku").json
    assert "sku=%C3%89-+&" in first["next"]

    second = pipeline.call("GET", first["next"].removeprefix("/api").replace("%C3%89-+&", "e%CC%81-&")).json

    assert [each["sku"] for each in first["items"] + second["items"]] == ["É-0", "É-1", "É-2", "É-3"]


def test_the_shortcuts_give_the_same_for_every_character(pipeline: Pipeline) -> None:
    wrong = f"select given from unnest(%s::text[]) given where folded(given) <> {SLOW}"
    again = f"select given from unnest(%s::text[]) given where {SLOW.replace('given', f'({SLOW})')} <> {SLOW}"
    keys = "select given from unnest(%s::text[]) given where folded(btrim(given, %s)) <> sku_key(given)"
    for mark in ("", "\u0301", "\u0323", "\u1161", "\u3099", "\u09be"):
        assert pipeline.sql(wrong, [f"x{letter}{mark}{letter}" for letter in LETTERS]) == [], mark
    pairs = [unicodedata.normalize("NFD", letter) for letter in LETTERS]
    for texts in (pairs, [pair.upper() for pair in pairs], [pair.lower() for pair in pairs]):
        assert pipeline.sql(wrong, texts) == []
        assert pipeline.sql(again, texts) == []
    assert pipeline.sql(keys, [f" {letter}x" for letter in LETTERS], SPACES) == []


def test_certain_characters_come_from_themselves_alone(pipeline: Pipeline) -> None:
    """If folding a letter gives a certain character, then lower-casing it, composed or decomposed, gives it, too."""
    certain = {
        row["given"]
        for row in pipeline.sql("select given from unnest(%s::text[]) given where certain_part(given) = given", LETTERS)
    } - {""}
    assert {"a", "z", "1", "-", "ж"} < certain
    assert not certain & {"i", ";", "`", "é", "й", "ι"}
    forms = [(letter, unicodedata.normalize("NFD", letter)) for letter in LETTERS]

    rows = pipeline.sql(
        "select folded(one) as folded, lower(one collate pg_c_utf8) as composed,"
        " lower(other collate pg_c_utf8) as decomposed from unnest(%s::text[], %s::text[]) as t (one, other)",
        [one for one, _ in forms],
        [other for _, other in forms],
    )

    for row in rows:
        for letter in certain.intersection(row["folded"]):
            assert letter in row["composed"], row
            assert letter in row["decomposed"], row
            assert len(row["decomposed"]) == 1, row
    assert not [letter for letter in certain if unicodedata.combining(letter)]


def test_a_rare_mark_comes_from_itself_and_its_capital_alone(pipeline: Pipeline) -> None:
    """If folding a text gives a mark, the text contains it or its capital, composed or decomposed."""
    marks = {
        row["given"]
        for row in pipeline.sql("select given from unnest(%s::text[]) given where rare_mark(given) = given", LETTERS)
    } - {""}
    assert {"0", "9", "q", "z"} < marks
    assert not marks & {"k", "i", "e", " "}
    every = [unicodedata.normalize(form, letter) for letter in LETTERS for form in ("NFC", "NFD")]
    every += LETTERS

    rows = pipeline.sql("select given, folded(given) as folded from unnest(%s::text[]) given", every)

    for row in rows:
        for mark in marks.intersection(row["folded"]):
            assert {mark, mark.upper()} & set(row["given"]), row


@pytest.mark.parametrize(
    ("wanted", "mark"),
    [("Unobtainium", ""), ("00012", "2"), ("Kettle", ""), ("\u212az", "z"), ("\u0130x", "x"), ("é", ""), ("%_", "")],
)
def test_the_rare_mark_of_a_filter(pipeline: Pipeline, wanted: str, mark: str) -> None:
    assert pipeline.sql("select rare_mark(%s) as mark", wanted) == [{"mark": mark}]


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("Kettle", "kettle"),
        (" Unobtainium ", "unobta"),
        ("Größere", "ere"),
        ("İ", ""),
        ("é", ""),
        ("ΟΔΌΣ", "οδ"),
        ("σς", ""),
        ("ke\u200bttle", "kettle"),
    ],
)
def test_the_certain_part_of_a_filter(pipeline: Pipeline, wanted: str, part: str) -> None:
    assert pipeline.sql("select certain_part(%s) as part", wanted) == [{"part": part}]


def test_a_deployed_index_is_filled_again_and_no_edit_is_lost(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration waits for a list that has seen the index filled, so that it does not find it empty."""
    every = [each for each in migrations._migrations() if each[0] < "0019"]
    older = [each for each in every if each[0] < "0010"]
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute("drop database if exists folded_search")
        owner.execute("create database folded_search")
    conninfo = psycopg.conninfo.make_conninfo(services.owner_conninfo, dbname="folded_search")
    monkeypatch.setattr(migrations, "_migrations", lambda: older)
    migrations.migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as owner, psycopg.connect(conninfo) as reader:
        owner.execute("insert into product_search values ('a', 1, 'a', 'cafe\u0301', '', true)")
        owner.execute("insert into product_search_edit (sku_key, version, shown_change) values ('b', 2, 1)")
        owner.execute("update product_search_state set shown_count = 1, after_key = 'a', imports = array['x:1']")
        monkeypatch.setattr(migrations, "_migrations", lambda: every)
        monkeypatch.setattr(migrations, "LOCK_SECONDS_MAX", 1)
        reader.execute("select shown_count from product_search_state")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrations.migrate(conninfo)
        assert reader.execute("select count(*) from product_search").fetchone() == (1,)
        reader.commit()

        assert migrations.migrate(conninfo) == [name for name, _ in every if name >= "0010"]

        assert owner.execute("select count(*) from product_search").fetchone() == (0,)
        assert owner.execute("select sku_key, shown_change from product_search_edit").fetchall() == [("b", 1)]
        state = owner.execute("select shown_count, after_key, imports from product_search_state").fetchone()
        assert state == (None, None, [])
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute("drop database folded_search")
