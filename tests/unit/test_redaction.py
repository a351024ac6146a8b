"""Secrets are hidden wherever a library or a traceback quotes them; everything else is logged as it is."""

from __future__ import annotations

import json
import logging
from secrets import token_urlsafe
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access import tokens
from chalicelib.telemetry import ERROR, log
from chalicelib.webhooks import signatures
from functions.redaction import HIDDEN, redacted
from tests.support.log_lines import caught

CANARY = "canary-4c1f0ae2b9d84e33"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.canary-4c1f0ae2b9d84e33"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{CANARY}\nrest\n-----END RSA PRIVATE KEY-----"
NESTED = json.dumps({"body": json.dumps({"text": json.dumps({"password": f'a"b {CANARY}'})})})
QUOTED = (
    f"imp_{CANARY}",
    f"the token imp_{CANARY} is not known",
    f"whsec_{CANARY}==",
    f"Authorization: Bearer {CANARY}",
    f"Authorization: Token {CANARY}",
    f"Authorization: ApiKey {CANARY}",
    f"Authorization: {CANARY} without a scheme",
    f'Proxy-Authorization: Digest username="shop", response="{CANARY}"',
    f"Authorization: AWS4-HMAC-SHA256 Credential=AK/20260101/s3, Signature={CANARY}",
    f"{{'Authorization': 'Bearer {CANARY}', 'Accept': '*/*'}}",
    f"{{'Set-Cookie': ['a=1; session={CANARY}']}}",
    f'[("authorization", "{CANARY}")]',
    f"[(b'authorization', b'Token {CANARY}')]",
    f"Basic {CANARY}",
    f"postgresql://importer:{CANARY}@db.internal:5432/importer",
    f"https://shop:{CANARY}@shop.example/hook?a=b",
    f"https://shop:a/{CANARY}@shop.example/",
    f"https://{CANARY}@shop.example/",
    f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    f"host=db user=importer password={CANARY} dbname=importer",
    f"password = '{CANARY}'",
    f"password='it is two words {CANARY}' host=db",
    f'password="it is {CANARY}"',
    f"password: it is {CANARY}",
    f"pwd={CANARY}",
    f"passphrase: {CANARY}",
    f"password%3D{CANARY}%26a%3Db",
    f"%22password%22%3A%22{CANARY}%22",
    f'{{"username": "importer", "password": "{CANARY}"}}',
    json.dumps({"text": json.dumps({"password": CANARY})}),
    NESTED,
    f"PUT /bucket/key?X-Amz-Expires=60&X-Amz-Signature={CANARY}&X-Amz-SignedHeaders=host",
    f"X-Amz-Security-Token={CANARY}",
    f"https://shop.example/hook?key={CANARY}&a=b",
    f"https://shop.example/hook?a=b&sig={CANARY}",
    f"https://shop.example/hook?code={CANARY}#top",
    f"aws_secret_access_key={CANARY}",
    f"aws_access_key_id = {CANARY}",
    f"Set-Cookie: session={CANARY}; Path=/",
    f"Cookie: a=1; session={CANARY}",
    f"api-key: {CANARY}",
    f"private_key: {CANARY}",
    f"sessionId={CANARY}",
    f"xoxb-{CANARY}",
    f"ghp_{CANARY}",
    f"sk_live_{CANARY}",
    JWT,
    PEM,
    "AKIAIOSFODNN7CANARY4",
    "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
CONTAINERS = (
    "{}",
    "request failed: {} (attempt 3)",
    "first line\n{}\nlast line",
    "Traceback (most recent call last):\n  ValueError: {}",
)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("text", QUOTED)
def test_a_secret_is_hidden_wherever_it_is_quoted(text: str, container: str) -> None:
    for seen in (redacted(container.format(text)), redacted(redacted(container.format(text)))):
        assert HIDDEN in seen
        assert CANARY not in seen
        assert "CANARY" not in seen
        assert "g0hM9SsE" not in seen


SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=12, max_size=60).filter(
    lambda secret: not set("\"'\\") & set(secret)
)


@given(SECRETS, st.integers(0, 3), st.sampled_from(["password", "Authorization", "x-api-key", "client_secret"]))
def test_any_secret_under_a_name_in_json_is_hidden(secret: str, depth: int, name: str) -> None:
    text = json.dumps({name: f"some words, then {secret}", "after": 1})
    for _ in range(depth):
        text = json.dumps({"text": text})
    assert secret not in redacted(text)


@given(SECRETS, st.sampled_from(["Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "X-Api-Key"]))
def test_any_secret_in_a_header_is_hidden_to_the_end_of_its_line(secret: str, name: str) -> None:
    assert redacted(f"{name}: some words; a={secret}\nAccept: text/csv") == f"{name}: {HIDDEN}\nAccept: text/csv"


@given(st.text(st.sampled_from("ab password=:'\\\"%3DBearer://@?key\n-.eyJ"), max_size=3_000))
def test_redaction_ends_soon_and_hides_no_less_the_second_time(text: str) -> None:
    once = redacted(text)
    assert len(once) <= len(text) * (1 + len(HIDDEN))
    assert redacted(once).count(HIDDEN) >= min(once.count(HIDDEN), 1)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (
            "postgresql://importer:hunter22@db:5432/importer failed",
            f"postgresql://importer:{HIDDEN}@db:5432/importer failed",
        ),
        ("a=1&X-Amz-Signature=abc&b=2", f"a=1&X-Amz-Signature={HIDDEN}&b=2"),
        ("Authorization: Bearer abc\nAccept: text/csv", f"Authorization: {HIDDEN}\nAccept: text/csv"),
        ("{'Cookie': 'a=1; b=2', 'Accept': '*/*'}", f"{{'Cookie': '{HIDDEN}', 'Accept': '*/*'}}"),
        ("password=abc host=db", f"password={HIDDEN} host=db"),
        ("https://shop.example/?key=abc&page=2", f"https://shop.example/?key={HIDDEN}&page=2"),
        (f"password={HIDDEN}", f"password={HIDDEN}"),
    ],
)
def test_the_text_around_it_stays(text: str, seen: str) -> None:
    assert redacted(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "PostgreSQL could not complete the request: OperationalError: connection to server at 127.0.0.1 failed",
        "the file imp_ort.csv has 3 columns: sku, name, description",
        "http://127.0.0.1:8000/api/imports/019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d",
        "a basic hammer; bears no token",
        "GET https://shop.example/?a=b",
        "v1,short",
        "the column key: sku, name, description",
        "sort=name&page=2",
        "code: column_missing",
        "a keyboard of 104 keys; passes the test",
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


def test_our_own_secrets_are_recognized() -> None:
    for secret in (tokens.PREFIX + token_urlsafe(tokens.TOKEN_BYTES), signatures.new_secret()):
        assert redacted(f"({secret})") == f"({HIDDEN})"


def test_no_line_has_one_in_its_message_its_facts_or_its_traceback() -> None:
    with caught() as lines:
        try:
            {"": 0}[f"postgresql://importer:{CANARY}@db refused"]
        except KeyError as error:
            log(f"imp_{CANARY}", level=ERROR, error=error, reason=f"password={CANARY}", secret=CANARY)
        logging.getLogger("chalicelib").warning("sent %s", {"Authorization": f"Bearer {CANARY}"})
    assert len(lines) == 2
    assert "KeyError" in lines[0]["exception"]
    assert CANARY not in json.dumps(lines)
