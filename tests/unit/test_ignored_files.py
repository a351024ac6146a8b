"""Which files in the bucket are plainly not product files."""

from __future__ import annotations

import pytest

from chalicelib.importing.ignored_files import why_ignored

IGNORED = [
    *(".DS_Store", "._products.csv", "._.DS_Store", "Icon\r", ".localized"),
    *("Thumbs.db", "thumbs.DB", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "Desktop.ini"),
    *("~$products.xlsx", ".~lock.products.csv#"),
    *("products.csv.part", "products.csv.filepart", "Unconfirmed 12.crdownload", "products.csv.tmp", "a.partial"),
    *(
        "readme",
        "README",
        "Readme.txt",
        "README.md",
        "readme_first.txt",
        "readme.en.txt",
        "README.1ST",
        "readme-all",
    ),
    *("_SUCCESS", "_started_123", "_committed_123", "_committed_vacuum1", "spring_$folder$"),
    *(".gitkeep", ".gitignore", ".htaccess", ".directory"),
]
"""Whatever they contain."""
IGNORED_IF_EMPTY = ["data", "ds_store", "done", "products.csv.done", "products.ok", "trigger.", "_metadata", "€"]
NEVER = [
    *("products.csv", "products.txt", "PRODUCTS.CSV", "products.tsv", "products.csv.gz", "products.txt.GZ", "a.dat"),
    *(".csv", ".csv.gz", ".products.csv", "tmp.csv", "part.csv", "products.part.csv", "~products.csv", "_products.csv"),
    *(
        "readme.csv",
        "readme_products.csv",
        "readmeters.txt",
        "README.csv.gz",
        "success.csv",
        "_SUCCESS.csv",
        "thumbs.db.csv",
    ),
    *("products.xlsx", "products.json", "products (1).csv", "products.csv\r\n.csv", "lock.csv#.csv"),
]
"""Even if they are empty: then the import fails with `file_empty`."""


@pytest.mark.parametrize("name", IGNORED)
@pytest.mark.parametrize("size_bytes", [0, 100])
def test_what_programs_leave_in_a_folder_is_ignored(name: str, size_bytes: int) -> None:
    for folder in ("uploads/", "uploads/shop/2026/"):
        reason = why_ignored(folder + name, size_bytes)
        assert reason is not None
        assert reason.startswith(f"“{name}” ")
        assert reason.endswith("so it was not imported. To import it anyway, give it a name such as products.csv.")


@pytest.mark.parametrize("name", IGNORED_IF_EMPTY)
def test_an_empty_file_without_the_name_of_a_data_file_is_a_marker(name: str) -> None:
    assert "is empty" in str(why_ignored(f"uploads/{name}", 0))
    assert why_ignored(f"uploads/{name}", 1) is None


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("size_bytes", [0, 100])
def test_what_could_be_a_catalogue_is_never_ignored(name: str, size_bytes: int) -> None:
    assert why_ignored(f"uploads/{name}", size_bytes) is None


@pytest.mark.parametrize("folder", [".DS_Store", "~$x", "readme.txt", "a.part"])
def test_the_names_of_folders_do_not_matter(folder: str) -> None:
    assert why_ignored(f"uploads/{folder}/products.csv", 100) is None


def test_a_folder_with_content_says_so() -> None:
    assert "“spring” has a key that ends with a slash" in str(why_ignored("uploads/spring/", 100))
