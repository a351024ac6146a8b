"""How PostgreSQL's COPY reads CSV, written from its documentation: the reference where no server is at hand.

`tests/integration/test_plain_copy.py` compares it with the server.
"""

from __future__ import annotations

from collections.abc import Iterator

Field = str | None


class Refused(Exception):
    """COPY would end with an error."""


def records(text: str, delimiter: str) -> Iterator[list[Field]]:
    """Yields the fields of each record; a field that is empty and has no quotes is None. Raises Refused.

    A quote begins or ends a quoted section anywhere in a field; two of them inside one mean a quote. Outside quotes,
    all line ends must be like the first one.
    """
    fields: list[Field] = []
    field, quoted, inside, at = "", False, False, 0
    line_end = ""
    while at < len(text):
        here = text[at]
        at += 1
        if here == '"' and inside and text[at : at + 1] == '"':
            field, at = field + here, at + 1
        elif here == '"':
            inside, quoted = not inside, True
        elif inside or here not in (delimiter, "\r", "\n"):
            field += here
        else:
            fields.append(field if field or quoted else None)
            field, quoted = "", False
            if here != delimiter:
                found = "\r\n" if here == "\r" and text[at : at + 1] == "\n" else here
                at += len(found) - 1
                line_end = line_end or found
                if found != line_end:
                    raise Refused("line ends differ")
                yield fields
                fields = []
    if inside:
        raise Refused("a quote is not closed")
    if fields or field or quoted:
        yield [*fields, field if field or quoted else None]
