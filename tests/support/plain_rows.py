"""What PostgreSQL makes of a chunk that is passed on as it is in the file, without a server."""

from __future__ import annotations

from chalicelib.csvfile.header import Header
from chalicelib.csvfile.rows import Row
from chalicelib.importing import plain_copy
from tests.support import postgres_csv

TRUE = ("t", "true", "y", "yes", "on", "1")
FALSE = ("f", "false", "n", "no", "off", "0")


def read(data: bytes, header: Header, first_line: int) -> list[Row] | None:
    """Returns the rows that are copied; None if the chunk is not plain."""
    plain = plain_copy.read(data, header, first_line)
    if plain is None:
        return None
    found = list(postgres_csv.records(plain.lines.decode(), header.delimiter))
    assert len(found) == plain.count
    if plain.lines == data:
        found = [[str(number), *fields] for number, fields in enumerate(found, start=first_line)]
    return [_row(fields, header) for fields in found]


def _row(fields: list[str | None], header: Header) -> Row:
    line, *cells = fields
    assert line is not None
    assert len(cells) == header.width
    description = None if header.description is None else cells[header.description] or ""
    active = None if header.active is None else cells[header.active]
    return Row(int(line), cells[header.sku] or "", cells[header.name] or "", description, _truth(active))


def _truth(active: str | None) -> bool | None:
    if active is None:
        return None
    assert active.lower() in TRUE + FALSE
    return active.lower() in TRUE
