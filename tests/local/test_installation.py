"""Which emulator is installed, and the messages when LocalStack cannot be."""

from __future__ import annotations

import hashlib

import pytest

from infra.local.errors import EmulatorFailed, InstallationFailed
from infra.local.options import Options
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator, installation
from infra.local.s3_sqs.installation import BY_NAME, LOCALSTACK, MINISTACK, MINISTACK_CLOUD, Distribution
from infra.supply import locks


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


@pytest.mark.usefixtures("nothing_installed")
def test_a_start_without_any_emulator_is_an_error_with_the_remedy(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("none")
    logbook = LogBook(directory / "logs", lambda _: None)
    with pytest.raises(EmulatorFailed, match="run `make emulator`"):
        emulator.start(Options(data_dir=directory), logbook, lambda _: None)
    logbook.close()
