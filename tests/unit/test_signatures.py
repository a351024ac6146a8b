"""Signatures, against the standard's example and its own library, which was not written here."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.webhooks.signatures import new_secret, secret_bytes, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d"
BODY = '{"type":"import.completed","data":{"filename":"Preisliste für März.csv","total":500000}}'.encode()


def accepts(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the standard's own library takes the message for ours."""
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, UnicodeDecodeError):
        return False
    return True


def test_the_example_of_the_standard() -> None:
    headers = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_new_secret_is_random_and_verifies() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert len(secret_bytes(secret)) == 32
        assert accepts(secret, sign([secret], MESSAGE_ID, int(time.time()), BODY), BODY)


def test_during_a_rotation_either_secret_verifies_and_no_other() -> None:
    new, old, other = new_secret(), new_secret(), new_secret()
    headers = sign([new, old], MESSAGE_ID, int(time.time()), BODY)
    assert accepts(new, headers, BODY)
    assert accepts(old, headers, BODY)
    assert not accepts(other, headers, BODY)
    assert headers["webhook-signature"].count("v1,") == 2


def test_an_old_timestamp_is_refused_by_receivers() -> None:
    assert not accepts(SECRET, sign([SECRET], MESSAGE_ID, int(time.time()) - 600, BODY), BODY)


def flips(data: bytes) -> Iterator[bytes]:
    """The data with each of its bits flipped in turn."""
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def test_no_bit_of_a_message_can_be_changed() -> None:
    headers = sign([SECRET], MESSAGE_ID, int(time.time()), BODY)
    signature = base64.b64decode(headers["webhook-signature"].removeprefix("v1,"))
    forged = [(headers, body) for body in flips(BODY)]
    for name in ("webhook-id", "webhook-timestamp"):
        forged += [({**headers, name: text.decode("latin-1")}, BODY) for text in flips(headers[name].encode())]
    for changed in flips(signature):
        forged.append(({**headers, "webhook-signature": f"v1,{base64.b64encode(changed).decode()}"}, BODY))

    assert len(forged) > 1_000
    assert accepts(SECRET, headers, BODY)
    assert not any(accepts(SECRET, *each) for each in forged)


def encoded(length: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * length).decode()


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", SECRET[6:], "whsec_not base64!", SECRET + "\n", encoded(23), encoded(65), "whsec_ä" + "a" * 40],
)
def test_what_is_no_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^a secret is whsec_ and 24 to 64 bytes in base64$"):
        secret_bytes(secret)


@pytest.mark.parametrize("length", [24, 64])
def test_secrets_have_any_length_the_standard_allows(length: int) -> None:
    assert secret_bytes(encoded(length)) == b"k" * length


def test_nothing_is_sent_unsigned_or_with_an_id_that_could_be_read_in_two_ways() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], MESSAGE_ID, 1, BODY)
    with pytest.raises(ValueError, match="full stop"):
        sign([SECRET], "a.1", 1, BODY)
