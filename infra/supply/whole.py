"""Files that are changed as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def or_restored(files: Iterable[Path]) -> Iterator[None]:
    """Gives the files their former contents if the block fails or is interrupted. Removes those that did not exist."""
    former = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in former.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        raise
