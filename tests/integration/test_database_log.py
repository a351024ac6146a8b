"""What PostgreSQL logs of a slow or failed statement, with the settings of the deployed database."""

from __future__ import annotations

import psycopg
import pytest
import yaml

from infra.deploy.deployment import template_of
from infra.local.testing import Services

SECRET = "a-private-search-term"
DEPLOYED: dict[str, str] = yaml.safe_load(template_of("database"))["Resources"]["Parameters"]["Properties"][
    "Parameters"
]
OF_VALUES = {"log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1"}
"""These settings log values completely. The first is PostgreSQL's default."""


def _logged(services: Services, settings: dict[str, str]) -> str:
    """What the server logs of two statements, one of which fails; it sends the client the same as notices."""
    lines: list[str] = []
    with psycopg.connect(services.owner_conninfo, autocommit=True) as connection:
        # Every statement counts as slow.
        for name, value in {**settings, "log_min_duration_statement": "0", "client_min_messages": "log"}.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        connection.add_notice_handler(lambda each: lines.append(f"{each.message_primary} {each.message_detail}"))
        connection.execute("select length(%s)", [SECRET])
        with pytest.raises(psycopg.errors.DivisionByZero) as failed:
            connection.execute("select length(%s) / 0", [SECRET])
    assert len([line for line in lines if "duration" in line]) >= 1
    return "\n".join([*lines, str(failed.value.diag.context)])


def test_the_values_of_statements_are_not_logged(services: Services) -> None:
    assert SECRET in _logged(services, OF_VALUES)
    assert SECRET not in _logged(services, {name: DEPLOYED[name] for name in OF_VALUES})
