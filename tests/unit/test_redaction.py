"""Whatever a library or a traceback quotes: secrets are not written, and all else is."""

from __future__ import annotations

import json
import logging
from secrets import token_urlsafe
from typing import Any

import pytest

from chalicelib.access import tokens
from chalicelib.telemetry import ERROR, tell
from chalicelib.webhooks import signatures
from functions.redaction import HIDDEN, redacted
from tests.support.log_lines import caught

CANARY = "canary-4c1f0ae2b9d84e33"
QUOTED = (
    f"imp_{CANARY}",
    f"the token imp_{CANARY} is not known",
    f"whsec_{CANARY}==",
    f"Authorization: Bearer {CANARY}",
    f"{{'Authorization': 'Bearer {CANARY}', 'Accept': '*/*'}}",
    f"Basic {CANARY}",
    f"postgresql://importer:{CANARY}@db.internal:5432/importer",
    f"https://shop:{CANARY}@shop.example/hook?a=b",
    f"host=db user=importer password={CANARY} dbname=importer",
    f"password = '{CANARY}'",
    f'{{"username": "importer", "password": "{CANARY}"}}',
    json.dumps({"text": json.dumps({"password": CANARY})}),
    f"PUT /bucket/key?X-Amz-Expires=60&X-Amz-Signature={CANARY}&X-Amz-SignedHeaders=host",
    f"X-Amz-Security-Token={CANARY}",
    f"aws_secret_access_key={CANARY}",
    f"Set-Cookie: session={CANARY}; Path=/",
    f"api-key: {CANARY}",
    "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)


@pytest.mark.parametrize("text", QUOTED)
def test_a_secret_is_hidden_wherever_it_is_quoted(text: str) -> None:
    seen = redacted(text)
    assert HIDDEN in seen
    assert CANARY not in seen
    assert "g0hM9SsE" not in seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (
            "postgresql://importer:hunter22@db:5432/importer failed",
            f"postgresql://importer:{HIDDEN}@db:5432/importer failed",
        ),
        ("a=1&X-Amz-Signature=abc&b=2", f"a=1&X-Amz-Signature={HIDDEN}&b=2"),
        ("Authorization: Bearer abc, Accept: text/csv", f"Authorization: {HIDDEN}, Accept: text/csv"),
        (f"password={HIDDEN}", f"password={HIDDEN}"),
    ],
)
def test_what_stands_around_it_stays(text: str, seen: str) -> None:
    assert redacted(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "PostgreSQL could not finish the work: OperationalError: connection to server at 127.0.0.1 failed",
        "the file imp_ort.csv has 3 columns: sku, name, description",
        "http://127.0.0.1:8000/api/imports/019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d",
        "a basic hammer; bears no token",
        "GET https://shop.example/?a=b",
        "v1,short",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_values_are_hidden_by_their_names_at_any_depth() -> None:
    content: dict[str, Any] = {
        "import_id": "1",
        "api_token": CANARY,
        "headers": [{"Cookie": CANARY, "Accept": "*/*"}],
        "credentials": {"anything": CANARY},
        "chunk": 3,
        "nothing": None,
    }
    assert redacted(content) == {
        "import_id": "1",
        "api_token": HIDDEN,
        "headers": [{"Cookie": HIDDEN, "Accept": "*/*"}],
        "credentials": HIDDEN,
        "chunk": 3,
        "nothing": None,
    }


def test_secrets_that_we_make_are_known() -> None:
    for secret in (tokens.PREFIX + token_urlsafe(tokens.TOKEN_BYTES), signatures.new_secret()):
        assert redacted(f"({secret})") == f"({HIDDEN})"


def test_no_line_has_one_in_its_message_its_facts_or_its_traceback() -> None:
    with caught() as lines:
        try:
            {"": 0}[f"postgresql://importer:{CANARY}@db refused"]
        except KeyError as error:
            tell(f"imp_{CANARY}", level=ERROR, error=error, reason=f"password={CANARY}", secret=CANARY)
        logging.getLogger("chalicelib").warning("sent %s", {"Authorization": f"Bearer {CANARY}"})
    assert len(lines) == 2
    assert "KeyError" in lines[0]["exception"]
    assert CANARY not in json.dumps(lines)
