"""The file to import: checked before anything is sent, and during the upload, because it may change."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from infra.local.errors import StackError

READ_BYTES = 1024 * 1024
"""More than http.client asks for."""
EXAMPLE = "make import FILE=products.csv"


class FileUnusable(StackError):
    """The file cannot be imported; the message says why and how to call the command."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"'{printable(path)}' {problem}. Example: {EXAMPLE}")


class ProductFile:
    """A file of known length that is read once: exactly its bytes, or FileUnusable is raised."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream
        self._at_first = os.fstat(stream.fileno())
        self._read_bytes = 0
        self.size = self._at_first.st_size
        self.notify: Callable[[int, int], None] = lambda _read, _size: None
        """Is called with the bytes read so far and the size of the file."""
        if not self.size:
            raise FileUnusable(path, "is empty: it needs a line with the names of the columns, and rows")

    @property
    def name(self) -> str:
        """The name that users see."""
        return name_of(self._path)

    def __len__(self) -> int:
        """So that requests sends the file as one stream."""
        return self.size

    def read(self, count: int = READ_BYTES) -> bytes:
        """Returns the next piece. Raises FileUnusable, instead of returning the last piece, if the file has changed.

        So S3 never gets the whole object, and a mixture of two files is never imported.
        """
        wanted = min(max(count, READ_BYTES), self.size - self._read_bytes)
        try:
            piece = self._stream.read(wanted)
        except OSError as error:
            raise FileUnusable(self._path, f"cannot be read: {error.strerror}") from None
        self._read_bytes += len(piece)
        if len(piece) < wanted or (wanted and self._read_bytes == self.size and self._has_changed()):
            raise FileUnusable(
                self._path, "changed while it was uploaded, so nothing was imported: wait until it is complete"
            )
        self.notify(self._read_bytes, self.size)
        return piece

    def _has_changed(self) -> bool:
        now = os.fstat(self._stream.fileno())
        return (now.st_size, now.st_mtime_ns) != (self._at_first.st_size, self._at_first.st_mtime_ns)


@contextmanager
def opened(path: Path) -> Iterator[ProductFile]:
    """Opens a file that can be imported. Raises FileUnusable."""
    try:
        # Before it is opened: opening a pipe would wait for a program that writes to it.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise FileUnusable(path, "is a directory" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file")
        stream = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise FileUnusable(path, "does not exist") from None
    except OSError as error:
        raise FileUnusable(path, f"cannot be read: {error.strerror}") from None
    with stream:
        yield ProductFile(path, stream)


def check(path: Path) -> None:
    """Raises FileUnusable if the file cannot be imported."""
    with opened(path):
        return


def name_of(path: Path) -> str:
    """The name of a file, as it is shown."""
    return printable(path.name)


def printable(path: Path | str) -> str:
    """A path or a name with a replacement for each byte that is not UTF-8 and each control character."""
    name = os.fsencode(path).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
