"""Rewrites to UTF-8 what has no byte ranges of its own: gzip files and texts in other encodings.

Memory is bounded whatever the file holds: a gzip file is unpacked in small steps, and its content is counted,
so a zip bomb ends as an unreadable file. Bytes that an encoding does not know neither fail the file nor are
replaced by something that looks like text: they become a byte that is not UTF-8, and their row is rejected
for it later.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from chalicelib.csvfile.filetype import refuse_non_csv
from chalicelib.errors import UnreadableFile
from chalicelib.limits import FILE_BYTES_MAX, FILE_HEAD_BYTES, GIB, KIB, TRANSCODE_STEP_BYTES

UTF_8 = "utf-8"
ENCODINGS = {
    "utf-8": UTF_8,
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "us-ascii": UTF_8,
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "iso-8859-1": "iso8859-1",
    "iso-8859-2": "iso8859-2",
    "iso-8859-15": "iso8859-15",
    "ibm850": "cp850",
    "koi8-r": "koi8-r",
    "macintosh": "mac-roman",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "gb18030": "gb18030",
}
"""The encodings that can be declared at upload, by their IANA names, and what Python calls them."""

_BOMS = (
    # The UTF-32 mark begins with the UTF-16 one, so it is asked for first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, UTF_8),
)
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_GZIP_SLICE_BYTES = 16 * KIB
"""zlib hands back what it did not use as a copy: small slices keep that cheap even for a million tiny
members."""

_UNDECODABLE = "\udcff"
"""Encoded with surrogateescape this is the byte 0xFF, which stands nowhere in UTF-8."""
_MARK_UNDECODABLE = "importer.mark_undecodable"


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


codecs.register_error(_MARK_UNDECODABLE, _mark_undecodable)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file that must be rewritten is encoded. `charset` is Python's name; None: what the content's BOM
    says."""

    gzip: bool
    charset: str | None


def detect(head: bytes, declared: str | None) -> Encoding | None:
    """How the file must be rewritten, or None when its bytes can be used as they are.

    `head` is the first FILE_HEAD_BYTES of the object; `declared` the encoding chosen at upload, one of
    ENCODINGS in any case. A byte order mark is believed before it. Raises UnreadableFile
    (`encoding_unknown`).
    """
    declared_charset = None if declared is None else _charset(declared)
    if head.startswith(_GZIP_MAGIC):
        return Encoding(gzip=True, charset=declared_charset)
    charset = _charset_of(head, declared_charset)
    return None if charset == UTF_8 else Encoding(gzip=False, charset=charset)


def utf8_blocks(
    blocks: Iterable[bytes], encoding: Encoding, *, file_bytes_max: int = FILE_BYTES_MAX
) -> Iterator[bytes]:
    """Rewrite a file block by block to UTF-8. The result may begin with a byte order mark.

    Raises UnreadableFile while it is read: `gzip_corrupt`, `gzip_truncated`, `file_too_large` when the result
    has more than `file_bytes_max` bytes, and what `refuse_non_csv` says about the content of a gzip file.
    """
    if encoding.gzip:
        blocks = _gunzip(blocks)
    head, blocks = _peek(blocks)
    if encoding.gzip:
        _refuse_packed(head)
    charset = _charset_of(head, encoding.charset)
    yield from _limited(blocks if charset == UTF_8 else _recoded(blocks, charset), file_bytes_max)


def _charset(declared: str) -> str:
    charset = ENCODINGS.get(declared.strip().lower())
    if charset is None:
        raise UnreadableFile(
            f"The encoding “{declared[:40]}” is not known. Choose one of: {', '.join(ENCODINGS)}.",
            code="encoding_unknown",
        )
    return charset


def _charset_of(head: bytes, declared: str | None) -> str:
    for bom, charset in _BOMS:
        if head.startswith(bom):
            return charset
    if declared == "utf-16":
        # Without a mark, the header's ASCII letters tell: their zero byte comes first in big-endian text.
        return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return declared or UTF_8


def _peek(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first FILE_HEAD_BYTES, or what there is, and all blocks."""
    source = iter(blocks)
    taken: list[bytes] = []
    missing = FILE_HEAD_BYTES
    for block in source:
        taken.append(block)
        missing -= len(block)
        if missing <= 0:
            break
    return b"".join(taken)[:FILE_HEAD_BYTES], chain(taken, source)


def _refuse_packed(head: bytes) -> None:
    if head.startswith(_GZIP_MAGIC):
        raise UnreadableFile(
            "This gzip file holds another gzip file. Unpack it once, then upload that.", code="file_is_gzip"
        )
    refuse_non_csv(head)


def _recoded(blocks: Iterable[bytes], charset: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(charset)(_MARK_UNDECODABLE)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _limited(blocks: Iterable[bytes], file_bytes_max: int) -> Iterator[bytes]:
    total = 0
    for block in blocks:
        total += len(block)
        if total > file_bytes_max:
            raise UnreadableFile(
                f"Unpacked and as UTF-8, the file has more than the {file_bytes_max / GIB:,.1f} GiB a file "
                "may have. Split it into several files and import them in order.",
                code="file_too_large",
            )
        if block:
            yield block


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip members one after the other, as gzip does, in steps of at most TRANSCODE_STEP_BYTES."""
    member = zlib.decompressobj(_GZIP_WBITS)
    is_between = False
    for piece in _slices(blocks):
        rest = piece
        while rest:
            if is_between:
                rest = rest.lstrip(b"\0")  # Zeros between and after members are padding.
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_WBITS)
            yield _inflated(member, rest)
            is_between = member.eof
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not is_between:
        raise UnreadableFile(
            "The gzip file ends too early: a part of it is missing. Compress the file and upload it again.",
            code="gzip_truncated",
        )


def _inflated(member: zlib._Decompress, data: bytes) -> bytes:
    try:
        return member.decompress(data, TRANSCODE_STEP_BYTES)
    except zlib.error as error:
        raise UnreadableFile(
            f"The gzip file is damaged ({error}). Compress the file and upload it again.", code="gzip_corrupt"
        ) from error


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _GZIP_SLICE_BYTES):
            yield block[start : start + _GZIP_SLICE_BYTES]
