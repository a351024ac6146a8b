"""A deployed stage does not start with settings that are only safe locally."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from chalicelib.settings import MissingSetting, read

LEAST = {"DATABASE_URL": "postgresql://", "FILES_BUCKET": "files"}


def test_a_local_stage_may_send_webhooks_to_private_networks() -> None:
    settings = read({**LEAST, "STAGE": "local", "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8, ::1/128,"})
    assert settings.webhook_allowed_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize("stage", ["dev", "prod", "locals", "local-2"])
def test_a_deployed_stage_does_not_start_with_private_networks_allowed(stage: str) -> None:
    with pytest.raises(MissingSetting, match="WEBHOOK_ALLOW_CIDRS: Only the stage local may"):
        read({**LEAST, "STAGE": stage, "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8"})
    for unset in ({}, {"WEBHOOK_ALLOW_CIDRS": ""}):
        assert read({**LEAST, "STAGE": stage, **unset}).webhook_allowed_networks == ()


@pytest.mark.parametrize("networks", ["localhost", "127.0.0.1/8", "127.0.0.0/33", "127.0.0.0/8;::1"])
def test_a_malformed_network_is_reported_with_the_name_of_its_setting(networks: str) -> None:
    with pytest.raises(MissingSetting, match="WEBHOOK_ALLOW_CIDRS: "):
        read({**LEAST, "WEBHOOK_ALLOW_CIDRS": networks})
