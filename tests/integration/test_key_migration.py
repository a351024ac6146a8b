"""The rule for keys, and the packing of versions, change while people and imports write."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chalicelib.backends import migrations
from chalicelib.backends.database import Database
from chalicelib.catalogue import bulk_deletes, change_record, products
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict
from chalicelib.fault_points import switched_on
from chalicelib.importing import splitting, upserting
from chalicelib.messages import ChunkMessage
from infra.local.testing import Services
from tests.integration.fakes import BUCKET, MemoryFileStore, RecordingQueues, memory_backends
from tests.support.owner import Owner
from tests.support.versioned_model import VersionedModel

NEW = "0020"
DEADLINE_SECONDS = 30
KEYS = "0020_sku_keys"
SKUS = ["a", "A\u200b", "\ufeffa", "a\u00ad", "σς", "ΣΣ", "σσ", "e\u0301", "e\u200d\u0301", "b", "\u200b b", "c"]
INVISIBLE_ONLY = ["\u200b", "\u00ad\u2060"]
VISIBLE = """
    select p.sku, p.name, p.description, p.active from product p, barrier b where not p.deleted and p.version >= b.floor
"""
OLD_INSERT = """
    insert into product (sku, sku_key, name, description, active,
                         version, name_version, description_version, active_version, content_version)
    select %s, sku_key(%s), %s, '', true, v, v, v, v, v from (select version_of(next_operation(), 0) as v) one
"""
FORMER_INSERT = """
    insert into product (sku, name, description, active,
                         version, name_version, description_version, active_version, content_version)
    values (%s, %s, '', true, %s, %s, %s, %s, %s)
"""
FORMER_IMPORT = """
    insert into import (status, operation, filename, bucket, object_key, size_bytes)
    values ('completed', %s, 'former.csv', 'b', 'k', 1)
"""
COUNTED = "update catalogue_total set total = (select count(*) from product)"
WAITS = "select 1 as waits from pg_locks where relation = 'barrier'::regclass and not granted"


def up_to(name: str) -> Callable[[], list[tuple[str, str]]]:
    every = migrations._migrations()
    return lambda: [each for each in every if each[0] < name]


@contextmanager
def database(services: Services, template: str = "template1") -> Iterator[str]:
    """A new database of the server, a copy of another one."""
    name = f"keys_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(services.owner_conninfo, autocommit=True) as owner:
        owner.execute(f"create database {name} template {template}".encode())
        try:
            yield make_conninfo(services.owner_conninfo, dbname=name)
        finally:
            owner.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(scope="module")
def before(services: Services) -> Iterator[str]:
    """The name of a database as the migrations before these leave it."""
    with database(services) as conninfo:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_migrations", up_to(NEW))
            migrations.migrate(conninfo)
        yield psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]  # type: ignore[misc]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [(name, text.replace("20000", "2")) for name, text in migrations._migrations()]
    monkeypatch.setattr(migrations, "_migrations", lambda: every)
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 1)


@dataclass
class _Sent:
    """A chunk of one line, with the line as the model writes it."""

    message: ChunkMessage
    version: tuple[int, int]
    given: dict[str, Any]


class Shop:
    """People and imports that use one database, and the model of what they do."""

    def __init__(self, conninfo: str, seed: int) -> None:
        self.conninfo, self.chance = conninfo, random.Random(seed)
        self.owner, self.files, self.queues = Owner(conninfo), MemoryFileStore(), RecordingQueues()
        self.backends = memory_backends(Database(conninfo), self.files, self.queues)
        self.model, self.chunks, self.operations = VersionedModel(), list[_Sent](), 0
        self.phase = 0

    def close(self) -> None:
        self.backends.database.close()
        self.owner.close()

    def begin(self) -> None:
        """Former code has written some products; then the migration has added what it needs."""
        for sku in self.chance.sample(SKUS + INVISIBLE_ONLY, 6):
            given = {"sku": sku, "name": self._name(), "description": "", "active": True}
            if self.model.key(sku) not in self.model.rows:
                self.owner.sql(OLD_INSERT, sku, sku, given["name"])
                self.model.put(self._next(), given)
        self.owner.sql(COUNTED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_migrations", up_to("0020_sku_keys_"))
            migrations.migrate(self.conninfo)

    # --- what happens ---------------------------------------------------------------------------------------------

    def start_import(self) -> None:
        described = self.chance.random() < 0.5
        lines = [self._given(described) for _ in range(self.chance.randint(1, 4))]
        header = "sku,name,active,description" if described else "sku,name,active"
        text = "\n".join([header, *(_written(each) for each in lines)])
        stored = self.files.put(f"uploads/{uuid.uuid4()}.csv", f"{text}\n".encode())
        splitting.split_upload(self.backends, BUCKET, stored, lambda: 60.0)
        operation = self._next()
        found = self.owner.sql("select id from import where object_key = %s", stored.key)[0]["id"]
        for place, message in enumerate(self.queues.take("chunks")):
            chunk = ChunkMessage(import_id=found, chunk=message["chunk"], attempt=1)
            self.chunks.append(_Sent(chunk, (operation, place + 2), lines[place]))

    def do_chunk(self, between: Callable[[str], None] = lambda _: None) -> None:
        if self.chunks:
            chunk = self.chunks.pop(self.chance.randrange(len(self.chunks)))
            running = self.owner.sql(
                "select id from import where id = %s and status = 'processing'", chunk.message.import_id
            )
            with switched_on(between):
                upserting.upsert_chunk(self.backends, chunk.message)
            if running:
                self.model.write_line(chunk.version, chunk.given)

    def create(self) -> None:
        given = {**self._given(described=True), "active": True}
        try:
            products.create(self.backends, Content(**given))
        except Conflict:
            return
        self.model.put(self._next(), given)

    def edit(self) -> None:
        found = self._some_product()
        if found is not None:
            name = self._name()
            products.edit(self.backends, found["id"], Changes(name=name))
            self.model.patch(self._next(), found["sku"], {"name": name})

    def rename(self) -> None:
        found, sku = self._some_product(), self._sku()
        if found is None or self.model.key(sku) == self.model.key(found["sku"]):
            return
        try:
            products.edit(self.backends, found["id"], Changes(sku=sku))
        except Conflict:
            return
        operation = self._next()
        self.model.delete(operation, found["sku"])
        self.model.put(operation, {each: found[each] for each in ("name", "description", "active")} | {"sku": sku})

    def delete(self) -> None:
        found = self._some_product()
        if found is not None:
            products.delete(self.backends, found["id"])
            self.model.delete(self._next(), found["sku"])

    def delete_everything(self) -> None:
        if self.chance.random() < 0.3:
            accepted = bulk_deletes.accept(self.backends)
            self.model.clear(self._next())
            if self.chance.random() < 0.5:
                bulk_deletes.carry_out(self.backends, accepted.id, lambda: 60.0)

    # --- the migration --------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Takes one step of the phases before the contract. Sometimes it is killed before its commit."""
        if self.phase == 0:
            with pytest.MonkeyPatch.context() as patch:
                if self.chance.random() < 0.3:
                    patch.setattr(migrations, "_KEEP_POSITION", "select 1 / length(%s || %s) / 0")
                with suppress(psycopg.errors.DivisionByZero):
                    migrated = migrations.advance(self.conninfo, contract=False, seconds_left=lambda: 0)
                    self.phase = int(migrated.finished)

    def change_rule(self) -> list[str]:
        """Finishes the migration. The first try is killed at the end of its transaction."""
        while self.phase == 0:
            self.advance()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_note_applied", _killed)
            with pytest.raises(KeyboardInterrupt):
                migrations.advance(self.conninfo)
        self.check()
        reports = migrations.advance(self.conninfo).reports
        self.model.change_rule()
        self.operations += 1
        self.phase = 2
        return reports

    def change_rule_at_once(self) -> None:
        migrations.migrate(self.conninfo)

    # --- the promise ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        found = self.owner.sql(VISIBLE)
        assert sorted(map(_values, found)) == self.model.catalogue()
        assert (
            self.owner.sql("select sku from product, barrier where version >= floor and sku_key <> sku_key(sku)") == []
        )
        with self.backends.database.transaction() as transaction:
            assert change_record.total(transaction) == len(found)
        if self.phase == 2:
            merged = self.owner.sql("select sku, name, description, active from merged_product")
            assert sorted(map(_values, merged)) == sorted(self.model.merged)

    # --- choices ----------------------------------------------------------------------------------------------------

    def _next(self) -> int:
        """The model numbers the operations itself."""
        self.operations += 1
        return self.operations

    def _sku(self) -> str:
        return self.chance.choice(SKUS)

    def _name(self) -> str:
        return f"n{self.chance.randrange(1000)}"

    def _given(self, described: bool) -> dict[str, Any]:
        description = self.chance.choice(["", "x", "y"]) if described else None
        active = self.chance.choice([True, False, None])
        return {"sku": self._sku(), "name": self._name(), "description": description, "active": active}

    def _some_product(self) -> dict[str, Any] | None:
        found = self.owner.sql(
            f"select p.* from product p where id in (select p.id from ({VISIBLE}) v"
            " join product p using (sku) where not p.deleted) order by id"
        )
        shown = [
            row
            for row in found
            if (row["sku"], row["name"], row["description"], row["active"]) in self.model.catalogue()
        ]
        return self.chance.choice(shown) if shown else None


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _written(given: dict[str, Any]) -> str:
    active = {True: "yes", False: "no", None: ""}[given["active"]]
    cells = [given["sku"], given["name"], active, *([] if given["description"] is None else [given["description"]])]
    return ",".join(f'"{cell}"' for cell in cells)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_when_the_rule_changes_in_the_middle_of_a_history(
    services: Services, before: str, seed: int
) -> None:
    with database(services, before) as conninfo:
        shop = Shop(conninfo, seed)
        shop.begin()
        usual = [shop.start_import, shop.do_chunk, shop.do_chunk, shop.create, shop.create, shop.edit, shop.rename]
        usual += [shop.delete, shop.delete_everything]
        for _ in range(25):
            shop.chance.choice(usual)()
            shop.check()
        for _ in range(25):
            shop.chance.choice([*usual, shop.advance, shop.advance])()
            shop.check()
        shop.start_import()
        changes: list[list[str]] = []

        def change_between(point: str) -> None:
            if point == "chunk.after_copy" and not changes:
                changes.append(shop.change_rule())
                shop.check()

        if shop.chance.random() < 0.5:
            shop.do_chunk(change_between)
        if not changes:
            changes.append(shop.change_rule())
        shop.check()
        assert any("were removed" in each for each in changes[0]) == bool(shop.model.merged)
        for _ in range(25):
            shop.chance.choice(usual)()
            shop.check()
        while shop.chunks:
            shop.do_chunk()
            shop.check()
        shop.close()


def test_an_upgrade_from_the_former_schema_keeps_the_newest_and_lists_the_others(services: Services) -> None:
    """From the schema before keys were plain, with former code that writes until it is replaced."""
    with database(services) as conninfo:
        owner = Owner(conninfo)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_migrations", up_to("0015"))
            migrations.migrate(conninfo)
        for sku, operation, line in (
            ("A", 1, 0),
            ("a\u200b", 2, 0),
            ("\u00ad", 3, 0),
            ("x", 4, 2**25 + 7),
            ("c\u2060", 5, 1),
        ):
            owner.sql(FORMER_INSERT, sku, sku, *[(operation << 32) + line] * 5)
        owner.sql("select setval('operation', 5)")
        owner.sql(FORMER_IMPORT, 4)
        owner.sql("insert into bulk_delete (operation, total) values (3, 0)")
        names = []
        while not (migrated := migrations.advance(conninfo, contract=False, seconds_left=lambda: 0)).finished:
            names += migrated.applied
        owner.sql(FORMER_INSERT, "C", "later", *[6 << 32] * 5)
        owner.sql(FORMER_INSERT, "\ufeffd", "later", *[7 << 32] * 5)
        owner.sql("select setval('operation', 7)")
        owner.sql(
            "insert into product_search (sku_key, content_version, name, description, active)"
            " values ('x', 0, 'οδός', 'a\u00adb', true)"
        )

        migrated = migrations.advance(conninfo)

        assert [each.split()[0] for each in migrated.reports] == ["3", "2"]
        merged = owner.sql("select m.sku, p.sku as kept from merged_product m left join product p on p.id = kept_id")
        assert {(row["sku"], row["kept"]) for row in merged} == {("A", "a\u200b"), ("\u00ad", None), ("c\u2060", "C")}
        found = owner.sql("select sku, sku_key from product order by sku_key")
        assert [tuple(row.values()) for row in found] == [("a\u200b", "a"), ("C", "c"), ("\ufeffd", "d"), ("x", "x")]
        deleted = owner.sql("select payload ->> 'sku' as sku from event where type = 'product.deleted'")
        assert {row["sku"] for row in deleted} == {"A", "\u00ad", "c\u2060"}
        keys = owner.sql("select sku_key from product_change order by 1")
        assert [row["sku_key"] for row in keys] == ["a", "a\u200b", "c", "c\u2060", "d", "\u00ad", "\ufeffd"]
        [entry] = owner.sql("select name, description from product_search")
        assert tuple(entry.values()) == ("οδόσ", "ab")
        _check_numbers(owner)
        owner.close()


def _check_numbers(owner: Owner) -> None:
    """Stored versions stay, and mean the same: also a line that needs more than 25 bits."""
    [found] = owner.sql(
        "select version, operation_of(version) as o, line_of(version) as l from product where sku = 'x'"
    )
    assert found == {"version": (4 << 32) + 2**25 + 7, "o": 4 * 128, "l": 2**25 + 7}
    assert owner.sql("select operation from import union all select operation from bulk_delete order by 1") == [
        {"operation": 3 * 128},
        {"operation": 4 * 128},
    ]
    [taken] = owner.sql("select take_operation() as operation, version_at(4 * 128, 33554439) as version")
    assert taken["operation"] > 7 * 128
    assert taken["version"] == found["version"]
    [newer] = owner.sql("select operation_of(v) as o, line_of(v) as l from version_at(2000, 33554431) as v")
    assert newer == {"o": 2000, "l": 33554431}


def test_a_writer_with_the_barrier_delays_the_change_and_later_writers_use_the_new_rule(
    services: Services, before: str
) -> None:
    with database(services, before) as conninfo:
        shop = Shop(conninfo, 1)
        shop.begin()
        shop.start_import()
        change = threading.Thread(target=shop.change_rule_at_once)
        waited: list[str] = []

        def begin_change(point: str) -> None:
            if point == "chunk.after_lock" and not waited:
                change.start()
                _wait_until(lambda: shop.owner.sql(WAITS) != [])
                waited.append(point)

        shop.do_chunk(begin_change)
        change.join()
        shop.model.change_rule()
        shop.phase = 2
        assert waited
        shop.check()
        shop.close()


def test_what_still_runs_of_the_former_code_fails_instead_of_writing_wrong_versions(
    services: Services, before: str
) -> None:
    with database(services, before) as conninfo:
        migrations.migrate(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as former:
            for statement in ("select version_of(1, 0)", "select next_operation()"):
                with pytest.raises(psycopg.errors.UndefinedFunction):
                    former.execute(statement.encode())
