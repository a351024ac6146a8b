"""What is rewritten to UTF-8, that nothing is replaced silently, and that no gzip file can hurt."""

from __future__ import annotations

import codecs
import gzip
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.csvfile.transcode import ENCODINGS, Encoding, detect, utf8_blocks
from chalicelib.errors import UnreadableFile
from chalicelib.limits import FILE_BYTES_MAX, KIB, MIB, TRANSCODE_STEP_BYTES

GZIP = Encoding(gzip=True, charset=None)


def blocks_of(data: bytes, block: int = 7) -> Iterator[bytes]:
    return (data[at : at + block] for at in range(0, len(data), block))


def rewritten(data: bytes, encoding: Encoding, *, block: int = 7, limit: int = FILE_BYTES_MAX) -> bytes:
    return b"".join(utf8_blocks(blocks_of(data, block), encoding, file_bytes_max=limit))


def via_detection(data: bytes, declared: str | None = None) -> bytes:
    encoding = detect(data, declared)
    assert encoding is not None
    return rewritten(data, encoding)


def refusal(data: bytes, encoding: Encoding = GZIP, *, limit: int = FILE_BYTES_MAX) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        rewritten(data, encoding, limit=limit)
    return caught.value


@pytest.mark.parametrize("declared", [None, "utf-8", "UTF-8 ", "us-ascii"])
@pytest.mark.parametrize("head", [b"sku,name\n", b"\xef\xbb\xbfsku,name\n", b""])
def test_utf8_is_used_as_it_is(head: bytes, declared: str | None) -> None:
    assert detect(head, declared) is None


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declared", [None, "utf-8", "utf-16", "windows-1252"])
def test_a_byte_order_mark_is_believed_before_what_was_declared(charset: str, declared: str | None) -> None:
    text = "\ufeffsku,name\r\n1,é😀\r\n"
    assert detect(text.encode(charset), declared) == Encoding(gzip=False, charset=charset)
    assert via_detection(text.encode(charset), declared) == text.encode()


def test_a_utf8_mark_is_believed_before_what_was_declared() -> None:
    assert detect(codecs.BOM_UTF8 + b"sku,name\n", "windows-1252") is None


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_declared_utf16_without_a_mark_is_told_by_its_zero_bytes(charset: str) -> None:
    assert via_detection("sku,name\n".encode(charset), "utf-16") == b"sku,name\n"


@pytest.mark.parametrize(("declared", "charset"), ENCODINGS.items())
def test_every_encoding_on_the_list_is_known_to_python(declared: str, charset: str) -> None:
    text = "sku,name\r\n1,plain\r\n"
    if charset == "utf-8":
        assert detect(text.encode(), declared) is None
    else:
        encoded = text.encode("utf-16-le" if charset == "utf-16" else charset)
        assert via_detection(encoded, declared.upper()) == text.encode()


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("windows-1252", "“naïve” – 5 €"),
        ("iso-8859-15", "5 €"),
        ("windows-1251", "Привет"),
        ("macintosh", "café"),
        ("shift_jis", "商品名ソ表"),
        ("gb18030", "商品名😀"),
    ],
)
def test_letters_of_other_encodings_arrive(declared: str, text: str) -> None:
    assert via_detection(text.encode(ENCODINGS[declared]), declared) == text.encode()


def test_an_unknown_encoding_is_refused_with_the_list() -> None:
    with pytest.raises(UnreadableFile, match="windows-1252") as caught:
        detect(b"", "klingon")
    assert caught.value.code == "encoding_unknown"


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("windows-1252", b"a,\x81\nb,c\n"),
        ("shift_jis", b"a,\x81\nb,c\n"),
        ("utf-16le", b"a\0,\0\x00\xd8\n\0b\0,\0c\0\n\0"),
        ("utf-16le", b"\n\0b\0,\0c\0\n\0\x20"),
    ],
)
def test_undecodable_bytes_become_bytes_that_are_not_utf8_on_their_own_line_only(declared: str, data: bytes) -> None:
    result = via_detection(data, declared)
    bad = [line for line in result.split(b"\n") if b"\xff" in line]
    assert len(bad) == 1
    with pytest.raises(UnicodeDecodeError):
        bad[0].decode()
    assert b"b,c" in result.split(b"\n")
    assert b"\xef\xbf\xbd" not in result


def test_gzip_is_unpacked() -> None:
    text = "sku,name\n1,é\n" * 5000
    assert detect(gzip.compress(text.encode()), None) == GZIP
    assert via_detection(gzip.compress(text.encode())) == text.encode()


def test_gzip_may_hold_any_encoding() -> None:
    text = "sku,name\n1,é€\n"
    assert via_detection(gzip.compress(("\ufeff" + text).encode("utf-16-le"))) == ("\ufeff" + text).encode()
    assert via_detection(gzip.compress(text.encode("cp1252")), "windows-1252") == text.encode()


def test_gzip_members_follow_each_other_with_or_without_padding() -> None:
    data = gzip.compress(b"sku,") + gzip.compress(b"") + bytes(100) + gzip.compress(b"name\n") + bytes(3)
    for block in (1, 7, 1000):
        assert rewritten(data, GZIP, block=block) == b"sku,name\n"


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=5), block=st.integers(1, 100))
def test_any_gzip_file_unpacks_as_python_does_it(parts: list[bytes], block: int) -> None:
    content = [b"sku,name\n", *parts]
    assert rewritten(b"".join(map(gzip.compress, content)), GZIP, block=block) == b"".join(content)


def test_a_truncated_gzip_file_is_refused_wherever_it_was_cut() -> None:
    data = gzip.compress(b"sku,name\n" + random.Random(1).randbytes(100))
    for size in range(2, len(data)):
        assert refusal(data[:size]).code == "gzip_truncated"
    assert rewritten(data, GZIP).startswith(b"sku")


def test_a_damaged_gzip_file_is_refused() -> None:
    data = bytearray(gzip.compress(b"sku,name\n" * 50))
    data[-5] ^= 1
    assert refusal(bytes(data)).code == "gzip_corrupt"
    assert refusal(gzip.compress(b"sku,name\n") + b"garbage").code == "gzip_corrupt"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml", "file_is_xlsx"),
        (b"", "file_empty"),
        (gzip.compress(b"x", mtime=0), "file_is_gzip"),  # The name of a test is the same in every run.
    ],
)
def test_what_a_gzip_file_holds_must_be_csv(content: bytes, code: str) -> None:
    assert refusal(gzip.compress(content)).code == code


def test_the_result_is_limited_not_the_upload() -> None:
    assert refusal(gzip.compress(bytes(3000)), limit=2999).code == "file_too_large"
    assert len(rewritten(gzip.compress(bytes(3000)), GZIP, limit=3000)) == 3000
    assert refusal(b"\xe9" * 100, Encoding(gzip=False, charset="cp1252"), limit=199).code == "file_too_large"


def test_a_zip_bomb_is_unpacked_in_bounded_steps() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(64)) + packer.flush()
    unpacked = utf8_blocks([bomb], GZIP, file_bytes_max=32 * MIB)
    tracemalloc.start()
    with pytest.raises(UnreadableFile) as caught:
        assert max(map(len, unpacked)) <= TRANSCODE_STEP_BYTES
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "file_too_large"
    assert peak_bytes < 8 * TRANSCODE_STEP_BYTES


def test_thousands_of_empty_members_cost_linear_time() -> None:
    data = gzip.compress(b"sku,name\n") + gzip.compress(b"") * 200_000
    began = time.process_time()
    assert b"".join(utf8_blocks([data], GZIP)) == b"sku,name\n"
    assert time.process_time() - began < 5


def test_blocks_are_read_as_they_are_needed() -> None:
    read = 0

    def source() -> Iterable[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"\xe9" * 8 * KIB

    next(iter(utf8_blocks(source(), Encoding(gzip=False, charset="cp1252"))))
    assert read == 1
