"""Secrets at rest: sealed before they are stored, so that a copy of the database gives none of them away.

Every value is sealed for a context, such as `webhook:<id>`, and opens for no other: a row's secret cannot be moved to
another row. AES-256-GCM notices every change. The first byte tells the format:

    1  nonce (12 bytes), ciphertext with tag                          a key from a file: local runs
    2  length of the wrapped key (2 bytes), wrapped key, nonce, …     a data key of its own, wrapped by AWS KMS
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.errors import ImporterError, Transient
from chalicelib.limits import UNWRAPPED_KEYS_MAX
from chalicelib.settings import MissingSetting, Settings

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KEY_BYTES = 32
NONCE_BYTES = 12
LOCAL_FORMAT = b"\x01"
KMS_FORMAT = b"\x02"
LENGTH_BYTES = 2
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 10
ATTEMPTS_MAX = 3
_UNWRAPPABLE = {"InvalidCiphertextException", "IncorrectKeyException"}
_DENIED = "AccessDeniedException"
_NO_PERMISSION = "not authorized"
"""KMS denies access to a wrapped key that names a key it does not have, too; only a missing permission is told so."""


class Unsealable(ImporterError):
    """A sealed value does not open: another key, another context, or it was changed. Trying again does not help."""

    def __init__(self, context: str) -> None:
        super().__init__(
            f"what is stored for {context} cannot be opened: it was sealed with another key, for something else, or "
            "changed since. Make a new secret"
        )


class Sealer(Protocol):
    """Seals values, and opens what it has sealed."""

    def seal(self, plain: bytes, context: str) -> bytes:
        """What may be stored. Raises Transient."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this context. Raises Unsealable, Transient."""


class LocalKey:
    """One key for everything, from a file. Raises MissingSetting where there is none."""

    def __init__(self, path: str) -> None:
        try:
            key = Path(path).read_bytes()
        except OSError as error:
            raise MissingSetting(f"WEBHOOK_KEY_FILE: {path} cannot be read: {error.strerror}") from None
        if len(key) != KEY_BYTES:
            raise MissingSetting(f"WEBHOOK_KEY_FILE: {path} does not hold {KEY_BYTES} bytes, as a key does")
        self._key = key

    def seal(self, plain: bytes, context: str) -> bytes:
        """What may be stored."""
        return LOCAL_FORMAT + _encrypted(self._key, LOCAL_FORMAT, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this context. Raises Unsealable."""
        if sealed[:1] != LOCAL_FORMAT:
            raise Unsealable(context)
        return _decrypted(self._key, LOCAL_FORMAT, sealed[1:], context)


class KmsKey:
    """A data key for each value, wrapped by a key that never leaves AWS KMS; opening needs leave to use that one.

    Unwrapped keys are remembered, so that a busy webhook does not ask KMS for every message.
    """

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._kms: KMSClient = boto3.client(
            "kms",
            config=Config(
                connect_timeout=CONNECT_SECONDS_MAX,
                read_timeout=READ_SECONDS_MAX,
                retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
            ),
        )
        self._unwrapped = lru_cache(maxsize=UNWRAPPED_KEYS_MAX)(self._unwrap)

    def seal(self, plain: bytes, context: str) -> bytes:
        """What may be stored. Raises Transient."""
        try:
            made = self._kms.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext={"context": context}
            )
        except (ClientError, BotoCoreError, OSError) as error:
            raise _told(error, context) from error
        wrapped = made["CiphertextBlob"]
        length = len(wrapped).to_bytes(LENGTH_BYTES, "big")
        return KMS_FORMAT + length + wrapped + _encrypted(made["Plaintext"], KMS_FORMAT, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this context. Raises Unsealable, Transient."""
        start = len(KMS_FORMAT) + LENGTH_BYTES
        end = start + int.from_bytes(sealed[len(KMS_FORMAT) : start], "big")
        if sealed[:1] != KMS_FORMAT or not start < end < len(sealed):
            raise Unsealable(context)
        key = self._unwrapped(bytes(sealed[start:end]), context)
        return _decrypted(key, KMS_FORMAT, sealed[end:], context)

    def _unwrap(self, wrapped: bytes, context: str) -> bytes:
        try:
            answer = self._kms.decrypt(
                KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext={"context": context}
            )
        except (ClientError, BotoCoreError, OSError) as error:
            raise _told(error, context) from error
        return answer["Plaintext"]


def sealer(settings: Settings) -> Sealer:
    """The one that the settings ask for. Raises MissingSetting when they name none, or two."""
    match settings.webhook_key_file or None, settings.webhook_kms_key_id or None:
        case str(path), None:
            return LocalKey(path)
        case None, str(key_id):
            return KmsKey(key_id)
        case _:
            raise MissingSetting(
                "set one of WEBHOOK_KMS_KEY_ID and WEBHOOK_KEY_FILE: webhooks' secrets are sealed with it"
            )


def _encrypted(key: bytes, form: bytes, plain: bytes, context: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, form + context.encode())


def _decrypted(key: bytes, form: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], form + context.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to be anything.
        raise Unsealable(context) from None


def _told(error: Exception, context: str) -> Exception:
    """What an error of KMS means. A missing permission or a disabled key is none of these: it stays as it is."""
    if not isinstance(error, ClientError):
        return Transient(f"KMS could not be reached: {type(error).__name__}")
    code = error.response["Error"]["Code"]
    if code in _UNWRAPPABLE or (code == _DENIED and _NO_PERMISSION not in error.response["Error"].get("Message", "")):
        return Unsealable(context)
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or code == "ThrottlingException":
        return Transient(f"KMS answered {code}")
    return error
