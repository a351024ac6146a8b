"""Draws the results of a run as docs/performance.svg: where the time goes, and the import compared with psql.

python -m tests.benchmark.plot [results.json] [target.svg]
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

WIDTH, LEFT, ROW, TOP = 760, 230, 26, 30
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.t{font-weight:600}.b{fill:#3b6ea5}.o{fill:#c9822b}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.b{fill:#6ea0d6}.o{fill:#e0a458}}"
)
SKIPPED = {"all", "upsert: the rest", "split: the rest"}


def main(arguments: list[str]) -> int:
    """Draws the chart. Returns the exit status."""
    source = Path(arguments[0] if arguments else ".local/benchmark/results.json")
    target = Path(arguments[1] if len(arguments) > 1 else "docs/performance.svg")
    results = json.loads(source.read_text("utf-8"))
    charts = [
        ("Seconds for 500,000 rows, median", _seconds(results)),
        ("One worker: seconds by stage", _stages(results)),
        ("CPU seconds of one import, by process", _processors(results)),
    ]
    target.write_text(_svg(charts), "utf-8")
    return 0


def _seconds(results: dict[str, Any]) -> list[tuple[str, float]]:
    return [(line["what"], line["median"]) for line in results["Seconds"]]


def _stages(results: dict[str, Any]) -> list[tuple[str, float]]:
    lines = results["Time by stage, one worker"]
    return [(line["stage"], line["seconds"]) for line in lines if line["stage"] not in SKIPPED]


def _processors(results: dict[str, Any]) -> list[tuple[str, float]]:
    prefix = "CPU seconds, "
    lines = results["What an import costs"]
    return [(line[""].removeprefix(prefix), line["first"]) for line in lines if line[""].startswith(prefix)]


def _svg(charts: list[tuple[str, list[tuple[str, float]]]]) -> str:
    parts: list[str] = []
    y = TOP
    for title, bars in charts:
        parts.append(f'<text class="t" x="0" y="{y}">{escape(title)}</text>')
        longest = max(value for _, value in bars)
        for label, value in bars:
            y += ROW
            width = value / longest * (WIDTH - LEFT - 60)
            kind = "o" if label.startswith("import") else "b"
            parts.append(f'<text x="{LEFT - 10}" y="{y}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y - 13}" width="{width:.1f}" height="16" rx="2"/>')
            parts.append(f'<text x="{LEFT + width + 8:.1f}" y="{y}">{value:.2f}</text>')
        y += 2 * ROW
    size = f'viewBox="0 0 {WIDTH} {y - ROW}" width="{WIDTH}" height="{y - ROW}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{STYLE}</style>{"".join(parts)}</svg>\n'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
