"""Rewrites files to UTF-8 that cannot be read in byte ranges: gzip files, and text in other encodings.

Memory is bounded whatever the file contains: a gzip file is unpacked in small steps and its content is counted, so a
zip bomb is refused as an unreadable file. Bytes that are invalid in an encoding neither fail the file nor turn into
something that looks like text: they become a byte that is not UTF-8, and their row is rejected later.
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
"""The encodings that can be declared at upload: their IANA names, and Python's names for them."""

_BOMS = (
    # The UTF-32 mark begins with the UTF-16 mark, so it is tried first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, UTF_8),
)
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_GZIP_SLICE_BYTES = 16 * KIB
"""zlib returns unused input as a copy: small slices keep that cheap even for a million tiny members."""

_UNDECODABLE = "\udcff"
"""Encoded with surrogateescape, this is the byte 0xFF, which never occurs in UTF-8."""
_MARK_UNDECODABLE = "importer.mark_undecodable"


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


codecs.register_error(_MARK_UNDECODABLE, _mark_undecodable)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a file that must be rewritten. `charset` is Python's name; None means that the BOM decides."""

    gzip: bool
    charset: str | None


def detect(head: bytes, declared: str | None) -> Encoding | None:
    """Returns the encoding from which the file must be rewritten, or None when its bytes can be used as they are.

    `head` is the first FILE_HEAD_BYTES of the object. `declared` is the encoding chosen at upload, one of ENCODINGS,
    case-insensitive; a byte order mark overrides it. Raises UnreadableFile (`encoding_unknown`).
    """
    declared_charset = None if declared is None else _charset(declared)
    if head.startswith(_GZIP_MAGIC):
        return Encoding(gzip=True, charset=declared_charset)
    charset = _charset_of(head, declared_charset)
    return None if charset == UTF_8 else Encoding(gzip=False, charset=charset)


def utf8_blocks(
    blocks: Iterable[bytes], encoding: Encoding, *, file_bytes_max: int = FILE_BYTES_MAX
) -> Iterator[bytes]:
    """Rewrites a file to UTF-8 block by block. The result may begin with a byte order mark.

    Raises UnreadableFile while it is read: `gzip_corrupt`, `gzip_truncated`, `file_too_large` when the result has more
    than `file_bytes_max` bytes, and the errors of `refuse_non_csv` for the content of a gzip file.
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
            f"The encoding “{declared[:40]}” is not supported. Choose one of: {', '.join(ENCODINGS)}.",
            code="encoding_unknown",
        )
    return charset


def _charset_of(head: bytes, declared: str | None) -> str:
    for bom, charset in _BOMS:
        if head.startswith(bom):
            return charset
    if declared == "utf-16":
        # Without a mark, the ASCII letters of the header decide: their zero byte comes first in big-endian text.
        return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return declared or UTF_8


def _peek(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Returns the first FILE_HEAD_BYTES, or fewer if the file is shorter, and all blocks."""
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
            "This gzip file contains another gzip file. Unpack it once, then upload the result.", code="file_is_gzip"
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
                f"Unpacked and in UTF-8, the file has more than {file_bytes_max / GIB:,.1f} GiB, the most that a file "
                "may have. Split it into several files and import them in order.",
                code="file_too_large",
            )
        if block:
            yield block


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpacks gzip members one after the other, as gzip does, in steps of at most TRANSCODE_STEP_BYTES."""
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
            "The end of the gzip file is missing. Compress the file and upload it again.",
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
