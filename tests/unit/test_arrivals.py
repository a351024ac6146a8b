"""Listed objects are accepted by time, and the versions of one key in the order in which S3 lists them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.backends.file_store import StoredFile
from chalicelib.importing.arrivals import in_order


def _at(second: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], ""),
        ([("k", "1", 0)], "1"),
        ([("k", "2", 0), ("k", "1", 0)], "12"),
        ([("k", "3", 9), ("k", "2", 5), ("k", "1", 0)], "123"),
        ([("a", "2", 9), ("b", "1", 0)], "12"),
        ([("a", "1", 5), ("b", "2", 5)], "12"),
        ([("a", "3", 7), ("a", "1", 2), ("b", "4", 8), ("b", "2", 5)], "1234"),
        # An upload in parts that began at 1 and is listed as newer than what was put at 5.
        ([("k", "2", 1), ("k", "1", 5)], "12"),
        ([("k", "2", 1), ("k", "1", 5), ("z", "0", 4)], "012"),
    ],
    ids=[
        "none", "one", "two of one second", "three", "by time", "two keys of one second", "two keys", "clock goes back",
        "clock goes back between other keys",
    ],
)  # fmt: skip
def test_order(listed: list[tuple[str, str, int]], expected: str) -> None:
    files = [StoredFile(key, version, 1, _at(second)) for key, version, second in listed]
    assert "".join(each.version for each in in_order(files)) == expected
