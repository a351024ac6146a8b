"""`make update`: images by digest, and parts that do not depend on each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
