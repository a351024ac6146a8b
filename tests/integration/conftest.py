"""Integration tests run the real functions in this process, on real PostgreSQL and a real S3/SQS emulator."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from chalicelib.backends import migrations
from infra.local.testing import Services, backing_services
from tests.support.connected import connect_as_roles, disconnect, undeclared
from tests.support.row_locks import Recorder, faults, locks_of_queries

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """PostgreSQL and the emulator, migrated; from here on the functions' environment is this process's."""
    with backing_services(tmp_path_factory.mktemp("services"), power_may_fail=False) as started:
        os.environ.update(started.environment)
        migrations.migrate(started.owner_conninfo)
        with pytest.MonkeyPatch.context() as patch:
            connect_as_roles(patch, started.conninfos)
            recorder = Recorder(patch)
            yield started
        disconnect()
        assert undeclared(recorder.of_roles()) == []
        with psycopg.connect(started.owner_conninfo) as connection:
            counted = connection.execute("select deadlocks from pg_stat_database where datname = current_database()")
            assert counted.fetchall() == [(0,)], "something locked out of order"
            assert faults(recorder.transactions(), locks_of_queries(connection)) == []


@pytest.fixture(scope="session")
def whole_pipeline(services: Services) -> Iterator[Pipeline]:
    """The one system, with a token."""
    from tests.support.pipeline import new_pipeline  # imports app.py, which wants the environment

    made = new_pipeline(services)
    yield made
    made.close()


@pytest.fixture
def pipeline(whole_pipeline: Pipeline) -> Pipeline:
    """An empty system."""
    whole_pipeline.reset()
    return whole_pipeline


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Every thread that the test starts ends with it."""
    before = set(threading.enumerate())
    yield
    left = [each for each in threading.enumerate() if each not in before and not each.daemon]
    assert left == []
