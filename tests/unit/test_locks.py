"""Each lock matches its source, names every file by its hash, and is what the environments are installed from."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.deploy import dependencies
from infra.deploy.errors import DependenciesMissing
from infra.local.errors import InstallationFailed
from infra.local.s3_sqs import installation
from infra.local.s3_sqs.installation import BY_NAME, Distribution
from infra.project import ROOT
from infra.supply import locks, platforms

SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
COMMAND_SECONDS_MAX = 120
RANGES = {"cbor2<6", "localstack-twisted<26", "pyopenssl>=26"}
"""What LocalStack needs of distributions that we do not choose ourselves."""
each_lock = pytest.mark.parametrize("name", list(locks.sources()))


@each_lock
def test_it_was_written_from_its_source(name: str) -> None:
    assert locks.written_from(name) == locks.sources()[name], "run `make lock`"


@each_lock
def test_it_has_every_requirement_of_its_source_in_a_version_that_fits(name: str) -> None:
    locked = locks.read(name)
    for requirement in map(Requirement, locks.sources()[name]):
        found = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(found.version, prereleases=True), found
        assert requirement.extras <= found.requirement.extras, found


@each_lock
def test_it_names_every_file_by_its_hash(name: str) -> None:
    lines = locks.path(name).read_text("utf-8").splitlines()
    begun = [line for line in lines if line and not line.startswith(("#", " ", "--only-binary"))]
    locked = locks.read(name)
    assert len(begun) == len(locked) > 0, "every line is understood"
    for each in locked.values():
        assert each.hashes
        assert all(SHA256.fullmatch(digest) for digest in each.hashes)


@each_lock
def test_it_allows_wheels_only_because_building_downloads_tools_that_are_not_locked(name: str) -> None:
    assert ("--only-binary :all:" in locks.path(name).read_text("utf-8")) == (name != locks.BUILT)


def test_what_is_built_from_source_is_built_with_locked_tools() -> None:
    assert "setuptools" in locks.read(locks.DEV)
    (step,) = [
        line
        for line in (ROOT / "Makefile").read_text("utf-8").splitlines()
        if "locks/dev-built.txt" in line and "PIP" in line
    ]
    assert "--no-build-isolation" in step


def test_what_is_deployed_is_what_is_tested() -> None:
    tested = locks.read(locks.DEV)
    for name, each in locks.read(locks.LAMBDA).items():
        assert (each.version, each.hashes) == (tested[name].version, tested[name].hashes)


def test_there_is_no_other_lock_and_no_other_list() -> None:
    assert {path.name for path in locks.DIRECTORY.iterdir()} == {f"{name}.txt" for name in locks.sources()}
    assert [path.name for path in ROOT.glob("*requirements*.txt")] == ["requirements.txt"]
    assert {distribution.lock for distribution in BY_NAME.values()} <= {locks.path(name) for name in locks.sources()}


def test_what_a_user_reads_is_pinned() -> None:
    groups = tomllib.loads(locks.PROJECT.read_text("utf-8"))["dependency-groups"]
    for requirement in [*locks.sources()[locks.DEV], *(each for group in groups.values() for each in group)]:
        assert "==" in requirement or requirement in RANGES


def test_npm_checks_every_file_too() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = {name: each for name, each in packages.items() if name}
    assert wanted
    assert all(each["integrity"].startswith("sha512-") for each in wanted.values())
    assert "npm ci" in (ROOT / "Makefile").read_text("utf-8")


def test_npm_installs_a_locked_version_however_young_it_is() -> None:
    assert "min-release-age" not in (ROOT / ".npmrc").read_text("utf-8")


def test_every_installation_requires_hashes() -> None:
    """Wherever a program or the Makefile calls pip."""
    files = [ROOT / "Makefile", *(ROOT / "infra").rglob("*.py")]
    callers = [file for file in files if re.search(r'pip install --|"pip", "install"', file.read_text("utf-8"))]
    assert {file.name for file in callers} == {"Makefile", "dependencies.py", "installation.py", "platforms.py"}
    for file in callers:
        calls = len(re.findall(r'pip install --|"pip", "install"', file.read_text("utf-8")))
        assert file.read_text("utf-8").count("--require-hashes") == calls


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that pip installs from, instead of PyPI; it has a wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = "locked_example-1.0"
    with ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("locked_example.py", "")
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: locked-example\nVersion: 1.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(locks, "DIRECTORY", tmp_path)
    return folder


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"locked-example==1.0 --hash=sha256:{'0' * 64}", "DO NOT MATCH THE HASHES"),
        ("locked-example==1.0", "Hashes are required"),
    ],
    ids=["another file", "no hash"],
)
def test_a_file_that_was_not_locked_is_refused(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    locks.path(locks.LAMBDA).write_text(f"{line}\n", "utf-8")
    with pytest.raises(DependenciesMissing, match=reason):
        dependencies.prepare(tmp_path / "cache")

    emulator = Distribution("example")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "example.txt").write_text(f"{line}\n", "utf-8")
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    with pytest.raises(InstallationFailed, match=reason):
        installation.install(emulator)
    assert not emulator.is_installed()


def test_a_newer_version_is_chosen_in_the_lock_and_in_its_source_unless_it_is_held() -> None:
    text = '  "Some_Thing[extra]==1.0",\n  "kept==1.0",  # held: the last one\n  "range<3",\nsome-thing==1.0\n'
    assert locks.held(text) == {"kept"}
    assert locks.unpinned("Some_Thing[extra]==1.0", {"kept"}) == "Some_Thing[extra]"
    assert locks.unpinned("kept==1.0", {"kept"}) == "kept==1.0"
    assert locks.unpinned("range<3", set()) == "range<3"
    renewed = locks.repinned(text, {"some-thing": "2.0", "kept": "0.9", "range": "2.9"})
    assert renewed == text.replace("hing[extra]==1.0", "hing[extra]==2.0").replace("some-thing==1.0", "some-thing==2.0")
    assert locks.held(locks.PROJECT.read_text("utf-8")) == {"localstack-core"}


def test_without_an_index_the_command_says_which_lock_it_could_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    before = locks.path("fuzz").read_bytes()
    with pytest.raises(locks.LockingFailed, match=r"locks/fuzz\.txt could not be written"):
        locks.write("fuzz", ["atheris==99999"])
    assert locks.path("fuzz").read_bytes() == before


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources and the locks, which the tests may change."""
    (tmp_path / "locks").mkdir()
    for file in (locks.DEPLOYED, locks.PROJECT, *map(locks.path, locks.sources())):
        (tmp_path / file.relative_to(ROOT)).write_bytes(file.read_bytes())
    for name, value in {
        "ROOT": tmp_path,
        "DEPLOYED": tmp_path / locks.DEPLOYED.name,
        "PROJECT": tmp_path / locks.PROJECT.name,
        "DIRECTORY": tmp_path / "locks",
    }.items():
        monkeypatch.setattr(locks, name, value)
    return tmp_path


@pytest.fixture
def uv(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Replaces uv with a program that locks version 99999 of everything, until it fails."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))

    def install(call: int, failure: str) -> None:
        write = "for output; do :; done; sed -E 's/^([[:alnum:]._-]+).*/\\1==99999/' >\"$output\""
        failing = f'echo "half of a lock" >"$output"; {failure}'
        counted = f'echo >>{folder}/calls; test "$(wc -l <{folder}/calls)" -lt {call} || {{ {failing}; }}'
        (folder / "uv").write_text(f"#!/bin/sh\n{write}\n{counted}\n", "utf-8")
        (folder / "uv").chmod(0o755)

    return install


FAILURES = {"exit 1": "could not be written", "exec sleep 60": "uv took longer than"}
LOCKS = len(locks.sources())


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    ("command", "call"),
    [(locks.write_all, 3), (locks.renew, 3), (locks.renew, LOCKS + 3)],
    ids=["lock", "update", "update, after the sources have been written"],
)
def test_a_lock_that_fails_leaves_all_locks_and_sources_as_they_were(
    project: Path,
    uv: Callable[[int, str], None],
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[[], None],
    call: int,
    failure: str,
) -> None:
    if "sleep" in failure:
        monkeypatch.setattr(locks, "SECONDS_MAX", 1.0)
    uv(call, failure)
    before = {file: file.read_bytes() for file in project.rglob("*.t*")}
    assert len(before) == LOCKS + 2
    with pytest.raises(locks.LockingFailed, match=FAILURES[failure]):
        command()
    assert {file: file.read_bytes() for file in project.rglob("*.t*")} == before


@pytest.mark.usefixtures("project")
def test_a_lock_that_did_not_exist_does_not_exist_after_a_failure(uv: Callable[[int, str], None]) -> None:
    locks.path("node").unlink()
    uv(LOCKS, "exit 1")
    with pytest.raises(locks.LockingFailed):
        locks.write_all()
    assert not locks.path("node").exists()


def test_a_check_of_a_lock_that_takes_too_long_is_a_reason_to_refuse_it(
    uv: Callable[[int, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platforms, "SECONDS_MAX", 0.2)
    uv(1, "exec sleep 60")
    problem = platforms.unsuitable("fuzz", locks.path("fuzz"))
    assert problem is not None
    assert problem.endswith("uv took longer than 0.2 s")


def test_a_lock_without_a_wheel_for_a_platform_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "only_here-1.0"
    wheel = tmp_path / f"{name}-cp311-abi3-manylinux_2_17_x86_64.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: only-here\nVersion: 1.0\n")
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-abi3-manylinux_2_17_x86_64\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "here.txt"
    lock.write_text(f"--only-binary :all:\nonly-here==1.0 --hash=sha256:{digest}\n", "utf-8")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    problem = platforms.unsuitable("here", lock)
    assert problem is not None
    assert problem.startswith("here.txt cannot be installed with Python 3.11 on aarch64-manylinux_2_28:\n")
    monkeypatch.setitem(platforms.SUPPORTED, "here", tuple((platforms.LINUX, python) for python in platforms.PYTHONS))
    assert platforms.unsuitable("here", lock) is None


def test_the_environment_of_the_tests_has_the_locked_versions() -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS_MAX).stdout
    installed = {canonicalize_name(each["name"]): each["version"] for each in json.loads(listed)}
    locked = {**locks.read(locks.DEV), **locks.read(locks.BUILT)}
    ours = {name: version for name, version in installed.items() if name in locked}
    assert ours == {name: locked[name].version for name in ours}
