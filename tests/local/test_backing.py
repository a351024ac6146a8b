"""The environment variables of functions on a laptop."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.backends.roles import FUNCTION_ROLES, ROLES
from chalicelib.backends.sealing import sealer
from chalicelib.settings import read
from infra.local.aws import Endpoint
from infra.local.backing import function_environment, own_environment, webhook_key_file
from infra.local.errors import OptionError
from infra.local.options import Options

CONNINFOS = {role: f"password of {role}" for role in FUNCTION_ROLES}


def environment(data_dir: Path) -> dict[str, str]:
    shared = function_environment(Options(data_dir=data_dir), Endpoint("http://127.0.0.1:1"), "files")
    return {**shared, **own_environment(CONNINFOS, "api_handler")}


def test_a_function_gets_the_password_of_its_own_role_only(tmp_path: Path) -> None:
    shared = function_environment(Options(data_dir=tmp_path), Endpoint("http://127.0.0.1:1"), "files")
    assert "password" not in repr(shared)
    for function, role in ROLES.items():
        assert own_environment(CONNINFOS, function) == {"DATABASE_URL": f"password of {role}"}
    assert own_environment(CONNINFOS, "migrate") == {}


def test_secrets_sealed_before_a_restart_can_be_opened_after_it(tmp_path: Path) -> None:
    sealed = sealer(read(environment(tmp_path))).seal(b"secret", "webhook:1", "secret")
    assert sealer(read(environment(tmp_path))).open(sealed, "webhook:1", "secret") == b"secret"


def test_the_key_is_random_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    keys = [webhook_key_file(directory) for directory in (tmp_path, other)]
    assert keys[0].read_bytes() != keys[1].read_bytes()
    assert keys[0].stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_file_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "webhook.key").write_bytes(b"half a key")
    with pytest.raises(OptionError, match=r"webhook\.key is not a key: remove it"):
        webhook_key_file(tmp_path)


def test_webhooks_may_be_sent_to_loopback_but_to_no_other_private_network(tmp_path: Path) -> None:
    networks = read(environment(tmp_path)).webhook_allowed_networks
    assert [str(network) for network in networks] == ["127.0.0.0/8", "::1/128"]
