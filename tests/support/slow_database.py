"""A database that cannot write much at a time: by a limit of rows for each statement, or by a delay for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Sql = Callable[[str], Any]
"""Runs a statement as the owner."""

_TIMES_OUT = """
create or replace function slow_database() returns trigger language plpgsql as $$
begin
  if (select count(*) from written) > {rows} then
    raise exception 'this would take too long' using errcode = 'query_canceled';
  end if;
  return null;
end $$;
create trigger slow_insert after insert on product referencing new table as written
  for each statement execute function slow_database();
create trigger slow_update after update on product referencing new table as written
  for each statement execute function slow_database()
"""
_WAITS = """
create or replace function slow_database() returns trigger language plpgsql as $$
begin
  perform pg_sleep({seconds});
  return null;
end $$;
create trigger slow_insert after insert or update on product for each row execute function slow_database()
"""
_END = "drop function if exists slow_database cascade"


@contextmanager
def rows_at_a_time(sql: Sql, rows: int) -> Iterator[None]:
    """A statement that writes more products than this ends with a time-out, at once: tests need not wait for it."""
    with _slow(sql, _TIMES_OUT.format(rows=rows)):
        yield


@contextmanager
def seconds_per_row(sql: Sql, seconds: float) -> Iterator[None]:
    """Each product takes this long to write."""
    with _slow(sql, _WAITS.format(seconds=seconds)):
        yield


@contextmanager
def _slow(sql: Sql, statements: str) -> Iterator[None]:
    sql(_END)
    sql(statements)
    try:
        yield
    finally:
        sql(_END)
