"""The fuzzed property in its short form: hostile files, and seeded random ones. The long form is `make fuzz`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.split_property import CHOICE_BYTES, check

CORPUS = sorted((Path(__file__).parents[1] / "fuzz" / "corpus").iterdir())
SEED = 20_240_229
RUNS = 100_000
TOKENS_MAX = 60
TOKENS = (
    b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"a", b" ", b"\0", b"\xff", b"\xe2\x82", b"\xc3\xa9",
    b"\xef\xbb\xbf", b"\xc2\x85", b'"\n', b'"\r\n', b'",', b',"', b'","', b'\n"', b'a"a,"\n', b'6" nail', b'"x"y',
    b",,,\n", b"a,b,c,1\n", b'"a","b\nb","c""","no"\r\n', b"a" * 70, b"a" * 300,
)  # fmt: skip


def random_input(source: random.Random) -> bytes:
    """A file of few kinds of token: what goes wrong needs them together, more than it needs many of them."""
    tokens = source.choices(TOKENS, k=source.randint(1, 8))
    return source.randbytes(CHOICE_BYTES) + b"".join(source.choices(tokens, k=source.randint(0, TOKENS_MAX)))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus_of_hostile_files_is_read_as_csv_reader_reads_it(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.slow
def test_random_files_are_read_as_csv_reader_reads_them() -> None:
    source = random.Random(SEED)
    for _ in range(RUNS):
        data = random_input(source)
        try:
            check(data)
        except BaseException as error:
            error.add_note(f"The input: {data!r}")
            raise
