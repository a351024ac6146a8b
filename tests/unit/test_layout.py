"""The layout says what it promises: one composition, one direction, and a link that Chalice packages."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

from chalicelib.settings import queue_name, stage

ROOT = Path(__file__).parents[2]


def imported_by(path: Path) -> set[str]:
    """The top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


def test_app_knows_chalice_the_edge_and_the_domain_and_nothing_else() -> None:
    assert imported_by(ROOT / "app.py") == {"chalice", "chalicelib", "functions"}


def test_chalice_packages_functions_through_vendor() -> None:
    assert [entry.name for entry in (ROOT / "vendor").iterdir()] == ["functions"]
    assert (ROOT / "vendor/functions").readlink() == Path("../functions")


def test_the_environment_is_read_in_one_place() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("chalicelib", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if "os.environ" in path.read_text("utf-8") or "getenv" in path.read_text("utf-8")
    ]
    assert readers == ["chalicelib/settings.py"]


def test_every_trigger_is_bound_under_its_own_name_with_a_module_of_its_own() -> None:
    import app

    bound = {source.name: source.handler_string for source in app.app.event_sources}
    assert bound == {name: f"app.{name}" for name in bound}
    for name in bound:
        assert (ROOT / "functions" / f"{name}.py").is_file()


def test_every_consumer_is_bound_to_its_own_queue() -> None:
    import app

    queues = {source.name: source.queue for source in app.app.event_sources if hasattr(source, "queue")}
    consumers = {name: importlib.import_module(f"functions.{name}").handle for name in queues}
    assert queues == {name: queue_name(stage(), consumer.queue) for name, consumer in consumers.items()}
