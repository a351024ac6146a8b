"""The documentation agrees with the code: limits, commands, paths, names, settings, links and counts."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from chalice.app import SQSEventConfig

import app
from chalicelib import limits
from tests.support.markdown import PAGES, ROOT, anchors, fences, links, read, rows, spans

ARCHITECTURE = ROOT / "docs/architecture.md"
DEPLOY = ROOT / "docs/deploy.md"
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The changelog also names what there was before."""
FOLDERS = (".chalice", ".ci", "chalicelib", "docs", "functions", "infra", "tests", "vendor", "web")
CODE = (".py", ".sql", ".yml", ".json", ".js", ".txt", ".html")
EXTENSIONS = (*CODE, ".md", ".pem", ".svg", ".css")
GENERATED = {"stack.json", "template.json", "passwords.json", "sbom.json"}
"""Files that commands write."""


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


# --- limits -------------------------------------------------------------------------------------------------------

SECONDS = {"s": 1, "minutes": 60, "hour": 3600, "hours": 3600, "days": 24 * 3600}
BYTES = {"bytes": 1, "KiB": limits.KIB, "MiB": limits.MIB, "GiB": limits.GIB}
QUANTITY = re.compile(r"(\d[\d,]*)(?: (\w+))?")


def _constant(name: str) -> int | None:
    module, _, constant = name.rpartition(".")
    if not constant.isupper():
        return None
    value = getattr(importlib.import_module(module) if module else limits, constant, None)
    return value * SECONDS["days"] if value is not None and constant.endswith("_DAYS") else value


def _function_seconds(name: str) -> int | None:
    functions = json.loads(read(ROOT / ".chalice/config.json"))["stages"]["dev"]["lambda_functions"]
    return functions[name]["lambda_timeout"] if name in functions else None


def _parameter(name: str) -> int | None:
    declared = yaml.safe_load(read(ROOT / "infra/resources.yml"))["Parameters"]
    return declared[name]["Default"] if name in declared else None


def _database_setting(name: str) -> int | None:
    migrations = "".join(read(file) for file in sorted((ROOT / "chalicelib/sql/migrations").glob("*.sql")))
    found = re.findall(rf"alter role importer set {re.escape(name)} = '(\d+)s'", migrations)
    found += re.findall(rf"(?:create|alter) sequence {re.escape(name)} [^;]*\bmaxvalue (\d+)", migrations)
    return int(found[-1]) if found else None


SOURCES: tuple[Callable[[str], int | None], ...] = (_constant, _function_seconds, _parameter, _database_setting)


def value_of(name: str) -> int:
    """What the code sets, in bytes, seconds, or as a count."""
    [value] = [found for source in SOURCES if (found := source(name)) is not None]
    return value


def unit_of(name: str) -> dict[str, int]:
    """The units in which a limit of this name may be written."""
    if "_BYTES" in name:
        return BYTES
    timed = re.search(r"_(SECONDS|DAYS)(_|$)|_timeout$", name) or _function_seconds(name) is not None
    return SECONDS if timed else {}


@pytest.mark.parametrize("row", rows(read(ARCHITECTURE), "Limits"), ids=lambda row: row[0])
def test_every_limit_is_the_one_in_the_code(row: list[str]) -> None:
    _, limit, set_by, _ = row
    names = re.findall(r"`([^`]+)`", set_by)
    written = QUANTITY.findall(limit)
    assert len(written) == len(names) > 0, "name the source of each number, in the same order"
    for (number, unit), name in zip(written, names, strict=True):
        factors = unit_of(name)
        assert (unit in factors) == bool(factors), f"{name} cannot be written in {unit!r}"
        assert int(number.replace(",", "")) * factors.get(unit, 1) == value_of(name), name


# --- commands, paths, names ---------------------------------------------------------------------------------------


def code_in(page: Path) -> list[str]:
    """Everything on a page that is set as code."""
    return [*spans(read(page)), *(fence.text for fence in fences(read(page)))]


def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code_in(page))))
    assert named <= targets


def test_every_module_that_is_run_exists(page: Path) -> None:
    for module in re.findall(r"python -m ((?:infra|tests)[\w.]*)", "\n".join(code_in(page))):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what commands write."""
    top = (path for path in ROOT.iterdir() if path.is_file())
    return (*top, *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()))


def paths_in(page: Path) -> Iterator[str]:
    """The inline code that is the path of a file or folder of the project; a placeholder as an asterisk."""
    for span in spans(read(page)):
        path = re.sub(r"<\w+>", "*", span)
        named = path.endswith(EXTENSIONS) or path.startswith(tuple(f"{folder}/" for folder in FOLDERS))
        if named and re.fullmatch(r"[\w.*/-]+", path) and not path.startswith("/"):
            yield path


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    names = {path.name for path in files()} | GENERATED
    for path in paths_in(page):
        assert path in names or any(ROOT.glob(path)), path


@cache
def names_in_the_code() -> frozenset[str]:
    """In lower case: settings are fields in the code and upper-case in the environment."""
    sources = [path for path in files() if path.suffix in CODE and ROOT / "tests" not in path.parents]
    text = "\n".join(read(path) for path in (*sources, ROOT / "Makefile"))
    return frozenset(re.findall(r"\w+", text.lower())) | {path.stem for path in files()}


@pytest.mark.parametrize(
    "page", [page for page in CURRENT if page.name != "performance.md"], ids=lambda page: page.name
)
def test_every_name_occurs_in_the_code(page: Path) -> None:
    """performance.md is left out: it also names what was tried and not adopted."""
    named = {span.removesuffix("()") for span in spans(read(page))}
    identifiers = {name for name in named if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+|[A-Z]+(_[A-Z]+)+", name)}
    assert {name.lower() for name in identifiers} <= names_in_the_code()


def test_the_gate_is_as_described() -> None:
    assert "`.ci/run` runs `make check` and `make test`" in read(ROOT / "CONTRIBUTING.md")
    assert re.findall(r"^exec make (.+)$", read(ROOT / ".ci/run"), re.MULTILINE) == ["check test"]


# --- links --------------------------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(read(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(read(target)), link


def test_every_page_is_listed_in_the_readme() -> None:
    listed = {link.partition("#")[0] for link in links(read(ROOT / "README.md"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md"} <= listed


# --- lists and counts ---------------------------------------------------------------------------------------------


def test_every_setting_of_the_local_stack_is_listed() -> None:
    section = read(ROOT / "docs/local.md").partition("## Settings\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`([A-Z_]{4,})…?`", section))
    settings = set(re.findall(r'(?:\.get\(|environment, )"([A-Z_]+)"', read(ROOT / "infra/local/options.py")))
    # make sets the first; the second is a prefix; the third is a setting of the whole project.
    assert listed == settings - {"STOP_WITH_PARENT"} | {"PARAMETER_", "DATA_DIR"}


ALONE = ("sweep", "migration", "tokens")
"""What deploy.md calls the functions without a queue that connect directly: one connection each."""


def test_concurrency_is_as_declared() -> None:
    queues = [source for source in app.app.event_sources if isinstance(source, SQSEventConfig)]
    at_once = {source.name: source.maximum_concurrency or 0 for source in queues}
    page = read(DEPLOY)
    assert f"ask for up to {sum(at_once.values())}." in page
    senders = at_once.pop("deliver_webhook")
    assert f"one sender of {senders} |" in read(ROOT / "docs/operations.md")
    at_once.pop("relay_events")
    dead = sum(most for name, most in at_once.items() if name.startswith("fail_"))
    working = [
        f"{at_once['split_upload']} splitting",
        f"{at_once['rewrite_upload']} rewriting",
        f"{at_once['upsert_chunk']} upserting",
        f"{at_once['bulk_delete_products']} deleting",
        f"{at_once['export_products']} exporting",
        f"{at_once['index_products']} indexing",
    ]
    total = sum(at_once.values()) + len(ALONE)
    assert f"| {total}: {', '.join(working)}, {dead} for dead letters, {', '.join(ALONE)} |" in page


def test_the_authorities_are_counted_as_they_are() -> None:
    page = " ".join(read(DEPLOY).split())
    [(path, count)] = re.findall(r"in the package, `([\w./-]+)`: (\d+) certificates", page)
    assert read(ROOT / path).count("BEGIN CERTIFICATE") == int(count)
