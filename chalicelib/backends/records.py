"""Rows of PostgreSQL as dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any, TypeVar, cast

from psycopg import Cursor
from psycopg.rows import no_result

Record = TypeVar("Record")


def record_factory(kind: type[Record]) -> Callable[[Cursor[Any]], Callable[[Sequence[Any]], Record]]:
    """A row factory for psycopg: each field of the dataclass from the column of its name.

    Columns without a field are ignored, so that a migration may add some while this code runs. Raises LookupError for a
    field without a column.
    """

    names = [field.name for field in fields(cast(Any, kind)) if field.init]
    create: Callable[..., Record] = kind

    def for_cursor(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], Record]:
        if cursor.description is None:
            return no_result
        columns = [column.name for column in cursor.description]
        if missing := [name for name in names if name not in columns]:
            raise LookupError(f"{kind.__name__} needs the columns {', '.join(missing)}; there are {', '.join(columns)}")
        places = [columns.index(name) for name in names]
        if len(places) == 1:
            return lambda row: create(row[places[0]])
        chosen = itemgetter(*places)
        return lambda row: create(*chosen(row))

    return for_cursor
