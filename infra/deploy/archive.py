"""Zip files that are the same bytes whenever and wherever they are made: entries sorted, one time, two modes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file knows."""
FILE_MODE = 0o100644
LIBRARY_MODE = 0o100755
UNIX = 3
LEVEL = 9


def write(path: Path, entries: Mapping[str, bytes]) -> None:
    """Writes a zip file of these entries, contents by name."""
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name in sorted(entries):
            archive.writestr(_entry(name), entries[name], compresslevel=LEVEL)


def read(path: Path) -> dict[str, bytes]:
    """The files of a zip file, contents by name. Raises ValueError for a name that stands twice."""
    with ZipFile(path) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        names = [entry.filename for entry in files]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"{path}: more than one entry is called {twice[0]}")
        return {entry.filename: archive.read(entry) for entry in files}


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, TIME)
    entry.compress_type = ZIP_DEFLATED
    entry.create_system = UNIX
    entry.external_attr = (LIBRARY_MODE if ".so" in name.rpartition("/")[2] else FILE_MODE) << 16
    return entry
