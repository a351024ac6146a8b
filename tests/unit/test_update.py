"""`make update`: images by digest, and parts that do not depend on each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from infra.project import ROOT
from infra.supply import images, locks, update
from infra.supply.images import ImageUnknown

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'f' * 64}"
TEXT = f"services:\n  one:\n    image: some/one:1.2@{OLD}\n  two:\n    image: two:3@{OLD}\n    restart: no\n"


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "docker-compose.yml"
    file.write_text(TEXT, "utf-8")
    monkeypatch.setattr(images, "COMPOSE", file)
    return file


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(script: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    return install


def test_each_image_gets_the_digest_that_its_tag_has_now(compose: Path, docker: Callable[[str], None]) -> None:
    docker(f'test "$*" = "buildx imagetools inspect --format {{{{.Manifest.Digest}}}} $6" && echo {NEW}')
    images.renew()
    assert compose.read_text("utf-8") == TEXT.replace(OLD, NEW)


@pytest.mark.parametrize("script", ["echo no such tag >&2; exit 1", "echo latest", "true", None])
def test_without_a_registry_no_digest_changes(compose: Path, docker: Callable[[str], None], script: str | None) -> None:
    if script is not None:
        docker(script)
    with pytest.raises(ImageUnknown, match=r"some/one:1\.2: "):
        images.renew()
    assert compose.read_text("utf-8") == TEXT


def test_every_image_of_the_compose_file_is_found() -> None:
    text = images.COMPOSE.read_text("utf-8")
    assert len(images.PINNED.findall(text)) == text.count("image: ")


def test_a_part_that_fails_does_not_keep_the_others_from_being_updated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise locks.LockingFailed("no index")

    monkeypatch.setattr(update, "PARTS", {"one": fail, "two": lambda: done.append("two")})
    assert update.main([]) == 1
    assert done == ["two"]
    printed = capsys.readouterr()
    assert printed.err == "NOT UPDATED: one: no index\n"
    assert printed.out == "Updated: two\n"


def test_without_npm_an_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(update.UpdateFailed, match="npm"):
        update.npm()


NODE = ROOT / ".venv-node" / "bin"
RELEASED_DAYS_AGO = {"1.0.0": 30, "1.1.0": 8, "1.2.0": 6, "2.0.0": 0}
with_npm = pytest.mark.skipif(not (NODE / "npm").exists(), reason="`make check-web` installs npm")


class Registry(BaseHTTPRequestHandler):
    """A registry with one tool."""

    def do_GET(self) -> None:
        now = datetime.now(UTC)
        body = {
            "name": "tool",
            "dist-tags": {"latest": "2.0.0"},
            "time": {version: (now - timedelta(days=days)).isoformat() for version, days in RELEASED_DAYS_AGO.items()},
            "versions": {
                version: {"name": "tool", "version": version, "dist": {"tarball": "", "integrity": "sha512-AAAA"}}
                for version in RELEASED_DAYS_AGO
            },
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project that needs the tool, with our options of npm."""
    monkeypatch.setattr(update, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", f"{NODE}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    (tmp_path / ".npmrc").write_bytes((ROOT / ".npmrc").read_bytes())
    with registry() as address:
        monkeypatch.setenv("npm_config_registry", address)
        yield tmp_path


def need(web: Path, version: str) -> str:
    text = json.dumps({"name": "web", "private": True, "devDependencies": {"tool": version}})
    (web / "package.json").write_text(text, "utf-8")
    return text


@with_npm
def test_npm_chooses_the_newest_version_that_is_a_week_old(web: Path) -> None:
    need(web, "1.0.0")
    update.npm()
    assert json.loads((web / "package.json").read_text("utf-8"))["devDependencies"] == {"tool": "1.1.0"}
    locked = json.loads((web / "package-lock.json").read_text("utf-8"))["packages"]
    assert locked["node_modules/tool"]["version"] == "1.1.0"


@with_npm
def test_a_version_that_a_person_chose_earlier_is_not_replaced_by_an_older_one(web: Path) -> None:
    before = need(web, "1.2.0")
    with pytest.raises(update.UpdateFailed, match=r"tool 1\.2\.0 is too new"):
        update.npm()
    assert (web / "package.json").read_text("utf-8") == before
    assert not (web / "package-lock.json").exists()


@with_npm
def test_the_fix_of_a_vulnerability_can_be_locked_at_once_as_the_guide_says(web: Path) -> None:
    need(web, "2.0.0")
    (command,) = re.findall(r"`PATH=\S+ (npm install .*)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    subprocess.run(command.split(), cwd=web, check=True, timeout=update.NPM_SECONDS_MAX)
    locked = json.loads((web / "package-lock.json").read_text("utf-8"))["packages"]
    assert locked["node_modules/tool"]["version"] == "2.0.0"
