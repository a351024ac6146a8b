"""Which emulator is installed, and what is said when the first choice cannot be."""

from __future__ import annotations

import pytest

from infra.local.options import Options
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator, installation
from infra.local.s3_sqs.installation import (
    BY_NAME,
    LOCALSTACK,
    MINISTACK,
    MINISTACK_CLOUD,
    Distribution,
    InstallationFailed,
)
from infra.local.s3_sqs.leftovers import EmulatorFailed


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> list[Distribution]:
    """As on a fresh machine; what is installed instead of pip doing it is in the list."""
    done: list[Distribution] = []

    def install(distribution: Distribution) -> None:
        if distribution is LOCALSTACK:
            raise InstallationFailed("pip says no")
        done.append(distribution)

    monkeypatch.setattr(installation, "install", install)
    monkeypatch.setattr(Distribution, "is_installed", lambda distribution: distribution in done)
    monkeypatch.delenv("EMULATOR", raising=False)
    return done


def test_ministack_is_the_automatic_choice_and_it_is_said(
    nothing_installed: list[Distribution], capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.main() == 0
    assert nothing_installed == [MINISTACK]
    said = capsys.readouterr().err
    assert "pip says no" in said
    assert "using ministack instead" in said
    assert installation.main() == 0
    assert nothing_installed == [MINISTACK], "what failed once must not be tried at every start"


def test_an_explicit_choice_is_never_replaced(
    nothing_installed: list[Distribution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMULATOR", "localstack")
    assert installation.main() == 1
    assert nothing_installed == []


def test_one_can_be_named(nothing_installed: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMULATOR", "localstack")
    assert installation.main(["ministack-cloud"]) == 0
    assert nothing_installed == [MINISTACK_CLOUD]
    assert installation.main(["no-such"]) == 2


def test_what_is_added_to_one_belongs_to_what_is_installed() -> None:
    alone = Distribution("ministack-cloud", MINISTACK_CLOUD.requirement)
    assert MINISTACK_CLOUD.fingerprint() != alone.fingerprint()


def test_python_that_is_too_new_is_known_without_asking_pip() -> None:
    too_old = Distribution("localstack", "localstack==1", python_before=(3, 11))
    with pytest.raises(InstallationFailed, match="localstack==1 does not support Python 3"):
        installation.install(too_old)


@pytest.mark.usefixtures("nothing_installed")
def test_a_start_without_any_emulator_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("none")
    logbook = LogBook(directory / "logs", lambda _: None)
    with pytest.raises(EmulatorFailed, match="run `make emulator`"):
        emulator.start(Options(data_dir=directory), logbook, lambda _: None)
    logbook.close()


def test_versions_are_frozen() -> None:
    for distribution in BY_NAME.values():
        lines = distribution.constraints.read_text("utf-8").splitlines()
        assert all("==" in line for line in lines if line and not line.startswith("#"))
