"""What PostgreSQL logs of a slow or failed statement, with the settings of the deployed database."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg import sql

from infra.deploy.deployment import template_of
from infra.local.processes.deadline import wait_until
from infra.local.testing import Services

SECRET = "a-private-search-term"
DEPLOYED: dict[str, str] = yaml.safe_load(template_of("database"))["Resources"]["Parameters"]["Properties"][
    "Parameters"
]
WITH_VALUES = {"log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1"}
"""These settings log values completely. The first is PostgreSQL's default."""
WITH_DETAILS = {"log_error_verbosity": "default"}
"""PostgreSQL's default. Without details, the values bound to statements are not logged either."""
LOG_SECONDS_MAX = 30


def _logged(services: Services, sku: str, changed: dict[str, str]) -> str:
    """What the server writes to its log about slow statements, a failed one, and a SKU that is there already.

    The settings are those of a deployment, except the changed ones.
    """
    settings = {**{name: DEPLOYED[name] for name in (*WITH_VALUES, *WITH_DETAILS)}, **changed}
    end = str(uuid4())
    with psycopg.connect(services.owner_conninfo, autocommit=True) as connection:
        (data,) = connection.execute("show data_directory").fetchone() or ("",)
        # Every statement counts as slow.
        for name, value in {**settings, "log_min_duration_statement": "0"}.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        log = Path(data).parent / "logs" / "postgres.log"
        before = log.stat().st_size
        connection.execute("create temporary table rows (sku text primary key)")
        connection.execute("select length(%s)", [SECRET])
        connection.execute("insert into rows values (%s)", [sku])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into rows values (%s)", [sku])
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select length(%s) / 0", [SECRET])
        connection.execute(sql.SQL("do $$ begin raise log {}; end $$").format(sql.Literal(end)))
    wait_until(lambda: f"LOG:  {end}" in _text(log, before), LOG_SECONDS_MAX, "PostgreSQL to write its log")
    return _text(log, before)


def _text(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode("utf-8", "replace")


def test_the_values_of_statements_are_not_logged(services: Services) -> None:
    for name, value in WITH_VALUES.items():
        assert SECRET in _logged(services, "sku", {**WITH_DETAILS, name: value}), name
    logged = _logged(services, "sku", WITH_DETAILS)
    assert logged.count("duration:") >= 3
    assert logged.count("ERROR:") == 2
    assert SECRET not in logged


def test_the_values_that_break_a_rule_are_not_logged(services: Services) -> None:
    assert f"DETAIL:  Key (sku)=({SECRET}) already exists" in _logged(services, SECRET, WITH_DETAILS)
    logged = _logged(services, SECRET, {})
    assert logged.count("ERROR:") == 2
    assert SECRET not in logged
