"""Which emulator is installed, and the messages when LocalStack cannot be."""

from __future__ import annotations

import hashlib
import re
import sys

import pytest

from infra.local.errors import EmulatorFailed, InstallationFailed
from infra.local.options import Options
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator, installation
from infra.local.s3_sqs.installation import BY_NAME, LOCALSTACK, MINISTACK, MINISTACK_CLOUD, Distribution
from infra.project import ROOT
from infra.supply import locks, platforms


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> list[Distribution]:
    """A fresh machine, without pip; the list holds what has been installed."""
    done: list[Distribution] = []

    def install(distribution: Distribution) -> None:
        if distribution is LOCALSTACK:
            raise InstallationFailed("pip failed")
        done.append(distribution)

    monkeypatch.setattr(installation, "install", install)
    monkeypatch.setattr(Distribution, "is_installed", lambda distribution: distribution in done)
    monkeypatch.delenv("EMULATOR", raising=False)
    return done


def test_ministack_is_the_automatic_fallback_with_a_message(
    nothing_installed: list[Distribution], capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.main() == 0
    assert nothing_installed == [MINISTACK]
    message = capsys.readouterr().err
    assert "pip failed" in message
    assert "using ministack instead" in message
    assert installation.main() == 0
    assert nothing_installed == [MINISTACK], "after a failure, LocalStack must not be tried at every start"


def test_an_explicit_choice_is_never_replaced(
    nothing_installed: list[Distribution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMULATOR", "localstack")
    assert installation.main() == 1
    assert nothing_installed == []


def test_an_emulator_can_be_named(nothing_installed: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMULATOR", "localstack")
    assert installation.main(["ministack-cloud"]) == 0
    assert nothing_installed == [MINISTACK_CLOUD]
    assert installation.main(["no-such"]) == 2


def test_every_emulator_is_installed_again_when_its_lock_changes() -> None:
    assert len({distribution.fingerprint() for distribution in BY_NAME.values()}) == len(BY_NAME)
    for distribution in BY_NAME.values():
        assert hashlib.sha256(locks.path(distribution.name).read_bytes()).hexdigest() in distribution.fingerprint()


def test_a_python_that_is_too_new_is_refused_without_pip() -> None:
    too_old = Distribution("example", python_before=(3, 11))
    with pytest.raises(InstallationFailed, match="example does not support Python 3"):
        installation.install(too_old)


def test_the_versions_of_python_are_those_that_the_locks_are_checked_for() -> None:
    before = {name: each.python_before for name, each in BY_NAME.items()}
    assert before == {"localstack": (3, 14), "ministack": None, "ministack-cloud": (3, 15)}
    for name, version in before.items():
        supported = platforms.SUPPORTED.get(name, [(platforms.LINUX, each) for each in platforms.PYTHONS])
        assert version is None or (platforms.LINUX, f"3.{version[1] - 1}") in supported
        assert version is None or (platforms.LINUX, f"3.{version[1]}") not in supported


def test_the_guide_says_which_python_the_tests_need() -> None:
    before = MINISTACK_CLOUD.python_before
    assert before is not None
    guide = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf-8").split())
    assert f"`make test` needs Python {before[0]}.{before[1] - 1} or older at present" in guide


def test_the_tests_on_a_python_that_is_too_new_end_with_one_line_that_has_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = sys.version_info[:2]
    monkeypatch.setitem(BY_NAME, "ministack-cloud", Distribution("example", python_before=version))
    assert installation.main(["ministack-cloud"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"example does not support Python {version[0]}.{version[1]}" in line
    assert f"rm -r .venv; make PYTHON=python{version[0]}.{version[1] - 1} " in line


def test_the_emulator_that_supports_the_fewest_versions_is_installed_before_anything_else_that_takes_long() -> None:
    (line,) = re.findall(r"^test: (.*?) ##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert line.startswith("$(INSTALLED) cloud-emulator ")


@pytest.mark.usefixtures("nothing_installed")
def test_a_start_without_any_emulator_is_an_error_with_the_remedy(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("none")
    logbook = LogBook(directory / "logs", lambda _: None)
    with pytest.raises(EmulatorFailed, match="run `make emulator`"):
        emulator.start(Options(data_dir=directory), logbook, lambda _: None)
    logbook.close()
