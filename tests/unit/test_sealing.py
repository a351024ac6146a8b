"""What is sealed opens for its own context alone, with its own key alone, unchanged; with both kinds of keys."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from chalicelib.backends import sealing
from chalicelib.backends.sealing import KmsKey, LocalKey, Sealer, Unsealable, sealer
from chalicelib.errors import Transient
from chalicelib.limits import UNWRAPPED_KEYS_MAX
from chalicelib.settings import MissingSetting, read

SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONTEXT = "webhook:019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d"
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
    """The one that is tested, and one with another key."""
    if request.param == "local":
        return LocalKey(key_file(tmp_path)), LocalKey(key_file(tmp_path, "other", b"o" * 32))
    kms = request.getfixturevalue("kms")
    return KmsKey(new_kms_key(kms)), KmsKey(new_kms_key(kms))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that AWS is asked for."""
    operations: list[str] = []
    really_call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, parameters: Any) -> Any:
        operations.append(operation)
        return really_call(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return operations


def refused(opener: Sealer, sealed: bytes, context: str = CONTEXT) -> bool:
    """Whether it does not open, with an error that tells what it is about, and never what is in it."""
    try:
        opener.open(sealed, context)
    except Unsealable as raised:
        told = "".join(traceback.format_exception(raised))
        return context in str(raised) and SECRET.decode() not in told and repr(sealed) not in told
    return False


@pytest.mark.parametrize("plain", [SECRET, b"", b"\x00" * 10_000])
def test_what_was_sealed_opens(plain: bytes, two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    sealed = mine.seal(plain, CONTEXT)
    assert mine.open(sealed, CONTEXT) == plain
    assert not plain or plain not in sealed


def test_the_same_secret_is_sealed_differently_each_time(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    assert len({mine.seal(SECRET, CONTEXT) for _ in range(20)}) == 20


def test_it_opens_for_no_other_context_and_with_no_other_key(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, other = two_keys
    sealed = mine.seal(SECRET, CONTEXT)
    assert refused(mine, sealed, "webhook:019abe6e-0000-7000-8000-000000000000")
    assert refused(mine, sealed, "")
    assert refused(other, sealed)
    assert not refused(mine, sealed)


def test_no_bit_of_it_can_be_changed_and_no_byte_be_missing(two_keys: tuple[Sealer, Sealer]) -> None:
    mine, _ = two_keys
    sealed = mine.seal(SECRET, CONTEXT)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(mine, bytes(flipped)), f"bit {bit} of {len(sealed)} bytes"
    for length in range(len(sealed)):
        assert refused(mine, sealed[:length])
    assert refused(mine, sealed + b"\x00")
    assert refused(mine, b"\x03" + sealed[1:])
    assert refused(mine, b"\x01\x02"[sealed[0] % 2 :][:1] + sealed[1:])


def test_the_context_is_bound_by_the_data_too_not_only_by_kms(kms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed, _ = mine.seal(SECRET, CONTEXT), mine.seal(SECRET, "other")
    key = mine._unwrap(sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")], CONTEXT)
    monkeypatch.setattr(mine, "_unwrapped", lambda _wrapped, _context: key)
    assert mine.open(sealed, CONTEXT) == SECRET
    assert refused(mine, sealed, "other")


def test_kms_keeps_the_context_in_its_own_records_and_the_key_to_itself(kms: Any) -> None:
    key_id = new_kms_key(kms)
    sealed = KmsKey(key_id).seal(SECRET, CONTEXT)
    wrapped = sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")]
    assert len(kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"context": CONTEXT})["Plaintext"]) == 32
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"context": "other"})


def test_kms_is_asked_once_for_a_secret_that_is_used_often(kms: Any, asked: list[str]) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed = mine.seal(SECRET, CONTEXT)
    del asked[:]
    for _ in range(50):
        mine.open(sealed, CONTEXT)
    assert asked == ["Decrypt"]


def test_only_so_many_keys_are_remembered(kms: Any, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNWRAPPED_KEYS_MAX == 1_000
    monkeypatch.setattr(sealing, "UNWRAPPED_KEYS_MAX", 2)
    mine = KmsKey(new_kms_key(kms))
    sealed = [mine.seal(SECRET, CONTEXT) for _ in range(3)]
    del asked[:]
    for index in (0, 1, 2, 2, 1, 0):
        mine.open(sealed[index], CONTEXT)
    assert asked == ["Decrypt"] * 4


def told(code: str, status: int, message: str = "") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Decrypt")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (told("ThrottlingException", 400), Transient),
        (told("KMSInternalException", 500), Transient),
        (EndpointConnectionError(endpoint_url="https://kms"), Transient),
        (told("AccessDeniedException", 400, "User: a is not authorized to perform: kms:Decrypt"), ClientError),
        (told("AccessDeniedException", 400, "The ciphertext refers to a key that does not exist"), Unsealable),
        (told("IncorrectKeyException", 400), Unsealable),
        (told("DisabledException", 400), ClientError),
    ],
)
def test_what_kms_answers_says_whether_to_try_again(
    error: Exception, expected: type[Exception], kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = KmsKey(new_kms_key(kms))
    sealed = mine.seal(SECRET, CONTEXT)

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", fail)
    with pytest.raises(expected):
        mine.open(sealed, CONTEXT)
    with pytest.raises(expected):
        mine.seal(SECRET, CONTEXT)


def test_a_key_that_is_gone_or_of_another_length_is_told_by_the_name_of_its_setting(tmp_path: Path) -> None:
    with pytest.raises(MissingSetting, match=r"WEBHOOK_KEY_FILE: .*nowhere cannot be read: No such file"):
        LocalKey(str(tmp_path / "nowhere"))
    for length in (0, 31, 33):
        with pytest.raises(MissingSetting, match=r"WEBHOOK_KEY_FILE: .* does not hold 32 bytes"):
            LocalKey(key_file(tmp_path, content=b"k" * length))


def test_the_settings_choose_one_sealer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    file = {"WEBHOOK_KEY_FILE": key_file(tmp_path)}
    key = {"WEBHOOK_KMS_KEY_ID": "alias/webhooks"}
    assert isinstance(sealer(read({**SETTINGS, **file})), LocalKey)
    assert isinstance(sealer(read({**SETTINGS, **key})), KmsKey)
    assert isinstance(sealer(read({**SETTINGS, **key, "WEBHOOK_KEY_FILE": ""})), KmsKey)
    for neither_nor_both in ({}, {**file, **key}):
        with pytest.raises(MissingSetting, match="set one of WEBHOOK_KMS_KEY_ID and WEBHOOK_KEY_FILE"):
            sealer(read({**SETTINGS, **neither_nor_both}))
