"""A sealed value opens unchanged, for its own context and with its own key only; with both kinds of keys."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from moto import mock_aws

from chalicelib.backends import sealing
from chalicelib.backends.sealing import (
    OLD_KMS_FORMAT,
    OLD_LOCAL_FORMAT,
    KmsKey,
    LocalKey,
    Sealer,
    Unsealable,
    sealer,
)
from chalicelib.errors import Transient
from chalicelib.limits import KEY_FILE_KEYS_MAX, UNWRAPPED_KEYS_MAX
from chalicelib.settings import MissingSetting, read

SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OWNER = "webhook:019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d"
FIELD = "secret"
CONTEXT = f"{OWNER}:{FIELD}"
SETTINGS = {"DATABASE_URL": "postgresql://", "FILES_BUCKET": "files"}


def key_file(directory: Path, name: str = "key", content: bytes = b"k" * 32) -> str:
    path = directory / name
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("kms")


def new_kms_key(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["KeyId"])


@pytest.fixture(params=["local", "kms"])
def two_keys(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Sealer, Sealer]:
    """The sealer under test, and one with another key."""
    if request.param == "local":
        return LocalKey(key_file(tmp_path)), LocalKey(key_file(tmp_path, "other", b"o" * 32))
    kms = request.getfixturevalue("kms")
    return KmsKey(new_kms_key(kms)), KmsKey(new_kms_key(kms))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations requested of AWS."""
    operations: list[str] = []
    really_call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, parameters: Any) -> Any:
        operations.append(operation)
        return really_call(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return operations


def refused(opener: Sealer, sealed: bytes, owner: str = OWNER, field: str = FIELD) -> bool:
    """Whether it does not open, with an error that names its owner but not its content."""
    try:
        opener.open(sealed, owner, field)
    except Unsealable as raised:
        text = "".join(traceback.format_exception(raised))
        return owner in str(raised) and SECRET.decode() not in text and repr(sealed) not in text
    return False


@pytest.mark.parametrize("plain", [SECRET, b"", b"\x00" * 10_000])
def test_what_was_sealed_opens(plain: bytes, two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    sealed = mine.seal(plain, OWNER, FIELD)
    assert mine.open(sealed, OWNER, FIELD) == plain
    assert not plain or plain not in sealed


def test_the_same_secret_is_sealed_differently_each_time(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    assert len({mine.seal(SECRET, OWNER, FIELD) for _ in range(20)}) == 20


def test_it_opens_only_for_its_owner_and_field_and_with_its_key(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, other = two_keys
    sealed = mine.seal(SECRET, OWNER, FIELD)
    assert refused(mine, sealed, "webhook:019abe6e-0000-7000-8000-000000000000")
    assert refused(mine, sealed, "")
    assert refused(mine, sealed, OWNER, "old_secret")
    assert refused(mine, sealed, f"{OWNER}:secret", "")
    assert refused(other, sealed)
    assert not refused(mine, sealed)


def test_no_bit_can_be_changed_and_no_byte_can_be_missing(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    sealed = mine.seal(SECRET, OWNER, FIELD)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(mine, bytes(flipped)), f"bit {bit} of {len(sealed)} bytes"
    for length in range(len(sealed)):
        assert refused(mine, sealed[:length])
    assert refused(mine, sealed + b"\x00")
    for form in range(6):
        assert bytes([form]) == sealed[:1] or refused(mine, bytes([form]) + sealed[1:])


def test_the_context_is_bound_by_the_data_and_not_only_by_kms(kms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed, _ = mine.seal(SECRET, OWNER, FIELD), mine.seal(SECRET, "other", FIELD)
    key = mine._unwrap(sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")], OWNER, CONTEXT)
    monkeypatch.setattr(mine, "_unwrapped", lambda _wrapped, _owner, _context: key)
    assert mine.open(sealed, OWNER, FIELD) == SECRET
    assert refused(mine, sealed, "other")


def test_kms_checks_the_context_of_a_wrapped_key(kms: Any) -> None:
    key_id = new_kms_key(kms)
    sealed = KmsKey(key_id).seal(SECRET, OWNER, FIELD)
    wrapped = sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")]
    assert len(kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"context": CONTEXT})["Plaintext"]) == 32
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"context": "other"})


def test_kms_is_called_once_for_a_secret_that_is_used_often(kms: Any, asked: list[str]) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed = mine.seal(SECRET, OWNER, FIELD)
    del asked[:]
    for _ in range(50):
        mine.open(sealed, OWNER, FIELD)
    assert asked == ["Decrypt"]


def test_the_cache_of_keys_is_bounded(kms: Any, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNWRAPPED_KEYS_MAX == 1_000
    monkeypatch.setattr(sealing, "UNWRAPPED_KEYS_MAX", 2)
    mine = KmsKey(new_kms_key(kms))
    sealed = [mine.seal(SECRET, OWNER, FIELD) for _ in range(3)]
    del asked[:]
    for index in (0, 1, 2, 2, 1, 0):
        mine.open(sealed[index], OWNER, FIELD)
    assert asked == ["Decrypt"] * 4


OLD_FORMATS = {"local": OLD_LOCAL_FORMAT, "kms": OLD_KMS_FORMAT}


def sealed_by_an_earlier_version(kind: str, key: bytes, wrapped: bytes = b"") -> bytes:
    """As written down here independently: the context was the owner alone, and the local format had no id of a key."""
    nonce = b"n" * 12
    length = len(wrapped).to_bytes(2, "big") if kind == "kms" else b""
    form = OLD_FORMATS[kind]
    return form + length + wrapped + nonce + AESGCM(key).encrypt(nonce, SECRET, form + OWNER.encode())


def old_value(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Sealer, bytes]:
    """A sealer, and a value that an earlier version sealed with the same key."""
    if kind == "local":
        return LocalKey(key_file(tmp_path)), sealed_by_an_earlier_version(kind, b"k" * 32)
    kms = request.getfixturevalue("kms")
    key_id = new_kms_key(kms)
    data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256", EncryptionContext={"context": OWNER})
    old = sealed_by_an_earlier_version(kind, data_key["Plaintext"], data_key["CiphertextBlob"])
    return KmsKey(key_id), old


@pytest.mark.parametrize("kind", ["local", "kms"])
def test_a_value_of_an_earlier_version_opens_for_its_owner(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mine, old = old_value(kind, tmp_path, request)
    assert mine.open(old, OWNER, FIELD) == SECRET
    assert not mine.is_current(old)
    assert refused(mine, old, "webhook:019abe6e-0000-7000-8000-000000000000")
    assert mine.is_current(mine.seal(SECRET, OWNER, FIELD))


@pytest.mark.parametrize("kind", ["local", "kms"])
def test_a_new_value_cannot_be_passed_off_as_one_of_an_earlier_version(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mine, old = old_value(kind, tmp_path, request)
    sealed = mine.seal(SECRET, OWNER, FIELD)
    ciphertext = sealed[1 + 8 :] if kind == "local" else sealed[1:]
    for owner in (OWNER, CONTEXT):
        assert refused(mine, old[:1] + ciphertext, owner, "old_secret")


def test_the_newest_key_of_a_file_seals_and_all_of_them_open(tmp_path: Path) -> None:
    old, new = b"k" * 32, b"n" * 32
    before = LocalKey(key_file(tmp_path, content=old))
    sealed, older = before.seal(SECRET, OWNER, FIELD), sealed_by_an_earlier_version("local", old)

    both = LocalKey(key_file(tmp_path, content=old + new))
    assert [both.open(each, OWNER, FIELD) for each in (sealed, older)] == [SECRET, SECRET]
    assert not both.is_current(sealed)
    again = both.seal(SECRET, OWNER, FIELD)
    assert both.is_current(again)
    assert refused(before, again)

    after = LocalKey(key_file(tmp_path, content=new))
    assert after.open(again, OWNER, FIELD) == SECRET
    assert refused(after, sealed)
    assert refused(after, older)


def kms_error(code: str, status: int, message: str = "") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Decrypt")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (kms_error("ThrottlingException", 400), Transient),
        (kms_error("KMSInternalException", 500), Transient),
        (EndpointConnectionError(endpoint_url="https://kms"), Transient),
        (kms_error("AccessDeniedException", 400, "User: a is not authorized to perform: kms:Decrypt"), ClientError),
        (kms_error("AccessDeniedException", 400, "The ciphertext refers to a key that does not exist"), Unsealable),
        (kms_error("IncorrectKeyException", 400), Unsealable),
        (kms_error("DisabledException", 400), ClientError),
    ],
)
def test_errors_of_kms_say_whether_a_retry_may_help(
    error: Exception, expected: type[Exception], kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed = mine.seal(SECRET, OWNER, FIELD)

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", fail)
    with pytest.raises(expected):
        mine.open(sealed, OWNER, FIELD)
    with pytest.raises(expected):
        mine.seal(SECRET, OWNER, FIELD)


def test_a_missing_or_malformed_key_is_reported_with_the_name_of_its_setting(tmp_path: Path) -> None:
    with pytest.raises(MissingSetting, match=r"WEBHOOK_KEY_FILE: .*nowhere cannot be read: No such file"):
        LocalKey(str(tmp_path / "nowhere"))
    for length in (0, 31, 33, 32 * (KEY_FILE_KEYS_MAX + 1)):
        with pytest.raises(MissingSetting, match=r"WEBHOOK_KEY_FILE: .* must hold a key of exactly 32 bytes"):
            LocalKey(key_file(tmp_path, content=b"k" * length))


def test_the_settings_choose_the_sealer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    file = {"WEBHOOK_KEY_FILE": key_file(tmp_path)}
    key = {"WEBHOOK_KMS_KEY_ID": "alias/webhooks"}
    assert isinstance(sealer(read({**SETTINGS, **file})), LocalKey)
    assert isinstance(sealer(read({**SETTINGS, **key})), KmsKey)
    assert isinstance(sealer(read({**SETTINGS, **key, "WEBHOOK_KEY_FILE": ""})), KmsKey)
    for neither_nor_both in ({}, {**file, **key}):
        with pytest.raises(MissingSetting, match="set one of WEBHOOK_KMS_KEY_ID and WEBHOOK_KEY_FILE"):
            sealer(read({**SETTINGS, **neither_nor_both}))
