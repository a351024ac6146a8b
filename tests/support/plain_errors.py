"""Whether a text about an error is one of ours: not pydantic's, and not that of a parser of JSON or UTF-8."""

from __future__ import annotations

import re

from pydantic_core import _pydantic_core

from chalicelib.validation_texts import NOT_VALID

PARSERS = r"Expecting |codec can't|Extra data|Invalid control|Unterminated|line 1 column|Value error|\[key\]|recursion"
"""How the parsers of JSON and UTF-8 in Python and in pydantic describe errors."""
OF_PYDANTIC = re.compile(
    "|".join(
        [
            PARSERS,
            *(
                re.sub(r"\\{\w+\\}", ".*", re.escape(template))
                for each in _pydantic_core.list_all_errors()
                for template in (each["message_template_python"], each.get("message_template_json"))
                if template and not template.startswith(("Value error", "Assertion failed"))
            ),
        ]
    ),
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[A-Z“].*[.!?]", re.DOTALL)


def check(message: str, detail: str) -> None:
    """Fails unless the texts are ours."""
    assert SENTENCE.fullmatch(message), message
    for text in (message, detail):
        assert not OF_PYDANTIC.search(text), text
        assert NOT_VALID not in text
