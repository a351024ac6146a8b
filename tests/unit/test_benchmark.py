"""The pure parts of the benchmark: ratios, goals, the tables of docs/performance.md, files and statements."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.benchmark import files, goals, page, processor, psql, report, turns
from tests.benchmark.goals import BY_KEY, GOALS, MET, MISSED, NOT_MEASURED

# --- figures ------------------------------------------------------------------------------------------------------


def test_a_ratio_compares_values_of_the_same_pair_and_counts_by_its_median() -> None:
    values = {"one": [2.0, 9.0, 4.0], "other": [1.0, 3.0, 4.0]}
    assert report.ratios(values, [("one", "other")]) == [["one ÷ other", 2.0, 1.0, 3.0]]


def test_a_ratio_to_something_that_was_not_measured_is_left_out() -> None:
    assert report.ratios({"one": [1.0]}, [("one", "other"), ("other", "one")]) == []


def test_values_of_different_runs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        report.quotients({"one": [1.0, 2.0], "other": [1.0]}, "one", "other")


def test_every_way_comes_first_once() -> None:
    assert [turns.rotated(["a", "b", "c"], number) for number in range(3)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
    ]


def test_the_time_of_a_program_counts_after_it_has_ended() -> None:
    before = processor.tree_seconds(psutil.Process().pid)
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True, timeout=60)
    # The clock of a process that has ended has steps of 10 ms.
    assert processor.tree_seconds(psutil.Process().pid) - before > 0.25


# --- goals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "result"), [([0.8, 0.9, 2.0], MET), ([0.8, 0.91, 0.92], MISSED), ([], NOT_MEASURED)]
)
def test_the_median_decides_whether_a_goal_is_met(values: list[float], result: str) -> None:
    lines = {line[0]: line for line in goals.table({"first": values}, {})}
    assert lines[BY_KEY["first"].name][-1] == result


def test_every_goal_is_shown_with_its_figure_and_the_one_of_the_base() -> None:
    lines = goals.table({"first": [0.8, 0.9, 1.2], "behind_ms": [251.4]}, {"first": [1.5]})
    assert [line[0] for line in lines] == [goal.name for goal in GOALS]
    by_name = {line[0]: line[1:] for line in lines}
    assert by_name[BY_KEY["first"].name] == ["≤ 0.90", "1.50", "0.90 (0.80–1.20)", MET]
    assert by_name[BY_KEY["behind_ms"].name] == ["≤ 250 ms", "–", "251 ms", MISSED]


def test_keys_and_names_of_goals_are_unique() -> None:
    assert len(BY_KEY) == len({goal.name for goal in GOALS}) == len(GOALS)


# --- docs/performance.md ------------------------------------------------------------------------------------------


def test_the_goals_on_the_page_are_those_of_the_code() -> None:
    header, _, *lines = page.tables(page.PAGE.read_text("utf-8"))[page.GOALS]
    assert header == report.markdown(goals.HEADER, [])[0]
    cells = [line.removeprefix("| ").split(" | ") for line in lines]
    assert [(name, limit) for name, limit, *_ in cells] == [(goal.name, goal.limit) for goal in GOALS]


def test_every_table_that_is_written_has_an_end() -> None:
    text = page.PAGE.read_text("utf-8")
    assert len(page.tables(text)) == text.count("<!-- table: ") == text.count("<!-- end of the table -->")


PAGE = """before
<!-- table: Seconds -->
| old |
<!-- end of the table -->
<!-- table: Other -->
| kept |
<!-- end of the table -->
after
"""


def test_only_measured_tables_are_rewritten() -> None:
    new = page.rewritten(PAGE, {"Seconds": ["| new |", "| 1 |"], "Not on the page": ["| x |"]})
    assert new == PAGE.replace("| old |\n", "| new |\n| 1 |\n")


def test_a_goal_that_was_not_measured_keeps_its_last_figure() -> None:
    def lines(figures: dict[str, list[float]], base: dict[str, list[float]]) -> list[str]:
        return report.markdown(goals.HEADER, goals.table(figures, base))

    old = lines({"first": [1.0], "again": [0.6]}, {"again": [0.65]})
    text = f"<!-- table: {page.GOALS} -->\n" + "\n".join(old) + "\n<!-- end of the table -->\n"
    new = page.rewritten(text, {page.GOALS: lines({"first": [0.8]}, {})})
    assert page.tables(new)[page.GOALS] == lines({"first": [0.8], "again": [0.6]}, {"again": [0.65]})


# --- files and statements -----------------------------------------------------------------------------------------


def test_a_part_has_other_products_each_time_in_random_order_and_with_new_names(tmp_path: Path) -> None:
    whole = {row["sku"]: row for row in _rows(files.make(tmp_path, "plain", 200))}
    parts = [_rows(file) for file in files.parts(tmp_path, 200, 2)]
    one, other = ([row["sku"] for row in part] for part in parts)
    assert set(one) != set(other)
    assert one != sorted(one, key=list(whole).index)
    for number, part in enumerate(parts):
        assert len(part) == 20
        for row in part:
            assert row == {**whole[row["sku"]], "name": f"{whole[row['sku']]['name']} ({number})"}


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_plain_upsert_writes_the_columns_that_the_file_has(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text("column 1,sku,name\r\n1,A,Lamp\r\n", "utf-8")
    create, upsert = psql.plain_statements(file, 7)
    assert '"column 1" text, "sku" text, "name" text' in create
    assert "insert into plain_product (sku_key, sku, name, operation, position)" in upsert
    assert "description" not in upsert
