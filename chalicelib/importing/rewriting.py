"""Rewrites files to UTF-8 whose byte ranges cannot be read on their own: gzip, UTF-16, declared encodings.

The splitter rewrites small files itself. For others it sends a message to a function of its own, because a large file
takes minutes, in which one of the few splitters could split hundreds of other files.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.csvfile import transcode
from chalicelib.csvfile.transcode import Encoding
from chalicelib.limits import FILE_BYTES_MAX, INLINE_BYTES_MAX, INLINE_REWRITTEN_BYTES_MAX, SCAN_BLOCK_BYTES

REWRITTEN_PREFIX = "rewritten/"


class TakesLong(Exception):
    """The file, or what it becomes, is too large to be rewritten while other files wait."""


def rewrite(
    backends: Backends, import_id: uuid.UUID, source: StoredFile, encoding: Encoding, *, inline: bool
) -> StoredFile:
    """Writes a copy of the file in UTF-8, and returns it.

    Raises TakesLong if `inline` and the file is not small; UnreadableFile, FileUnavailable, Transient.
    """
    if inline and source.size_bytes > INLINE_BYTES_MAX:
        raise TakesLong
    blocks = backends.files.blocks(source.key, source.version, 0, SCAN_BLOCK_BYTES)
    rewritten = transcode.utf8_blocks(blocks, encoding, file_bytes_max=FILE_BYTES_MAX)
    # A small gzip file may contain gigabytes.
    budgeted = _within(INLINE_REWRITTEN_BYTES_MAX, rewritten) if inline else rewritten
    return backends.files.write(f"{REWRITTEN_PREFIX}{import_id}.csv", budgeted)


def _within(bytes_max: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for block in blocks:
        total += len(block)
        if total > bytes_max:
            raise TakesLong
        yield block
