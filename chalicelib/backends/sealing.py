"""Secrets at rest: sealed before they are stored, so that a copy of the database reveals none of them.

Every value is sealed for an owner and a field, such as `webhook:<id>` and `secret`, and opens only for these: it cannot
be moved to another row, nor to another column of its row. AES-256-GCM detects every change. The first byte is the
format:

    3  id of the key (8 bytes), nonce (12 bytes), ciphertext with tag  a key from a file: local runs
    4  length of the wrapped key (2 bytes), wrapped key, nonce, …      its own data key, wrapped by AWS KMS

Earlier versions sealed for an owner alone, with the formats 1 (without the id of a key) and 2. Such values still open,
for any field of their owner; they are no longer written, and sealed again when their row is next edited. The format is
part of what is authenticated, so no value can be passed off as one of an earlier format.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.backends.clients import KEY_READ_SECONDS_MAX, client_config
from chalicelib.errors import ImporterError, Transient
from chalicelib.limits import KEY_FILE_KEYS_MAX, UNWRAPPED_KEYS_MAX
from chalicelib.settings import MissingSetting, Settings

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KEY_BYTES = 32
KEY_ID_BYTES = 8
NONCE_BYTES = 12
OLD_LOCAL_FORMAT = b"\x01"
OLD_KMS_FORMAT = b"\x02"
LOCAL_FORMAT = b"\x03"
KMS_FORMAT = b"\x04"
LENGTH_BYTES = 2
_UNWRAPPABLE = {"InvalidCiphertextException", "IncorrectKeyException"}
_DENIED = "AccessDeniedException"
_NO_PERMISSION = "not authorized"
"""KMS also denies access to a wrapped key whose master key it does not know; this text means a missing permission."""


class Unsealable(ImporterError):
    """A sealed value does not open: another key, another owner or field, or it was changed. Retrying does not help."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"the stored secret of {owner} cannot be opened: it was sealed with another key or for another owner, "
            "or has been changed. Create a new secret"
        )


class Sealer(Protocol):
    """Seals values, and opens them again."""

    def seal(self, plain: bytes, owner: str, field: str) -> bytes:
        """The sealed form, which may be stored. Raises Transient."""

    def open(self, sealed: bytes, owner: str, field: str) -> bytes:
        """The value that was sealed for this field of this owner. Raises Unsealable, Transient."""

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value has the present format and key. Others still open, but are to be sealed again."""


class LocalKey:
    """The keys in a file, one after the other. The last one seals; all of them open.

    Raises MissingSetting if the file does not hold keys.
    """

    def __init__(self, path: str) -> None:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise MissingSetting(f"WEBHOOK_KEY_FILE: {path} cannot be read: {error.strerror}") from None
        if not holds_keys(len(content)):
            raise MissingSetting(
                f"WEBHOOK_KEY_FILE: {path} must hold a key of exactly {KEY_BYTES} bytes, "
                f"or up to {KEY_FILE_KEYS_MAX} such keys, the newest last"
            )
        keys = [content[start : start + KEY_BYTES] for start in range(0, len(content), KEY_BYTES)]
        self._keys = {_key_id(key): key for key in keys}
        self._newest = _key_id(keys[-1])

    def seal(self, plain: bytes, owner: str, field: str) -> bytes:
        """The sealed form, which may be stored."""
        head = LOCAL_FORMAT + self._newest
        return head + _encrypted(self._keys[self._newest], head, plain, _context(owner, field))

    def open(self, sealed: bytes, owner: str, field: str) -> bytes:
        """The value that was sealed for this field of this owner. Raises Unsealable."""
        if sealed[:1] == OLD_LOCAL_FORMAT:
            return self._open_old(sealed, owner)
        start = len(LOCAL_FORMAT) + KEY_ID_BYTES
        head, key = sealed[:start], self._keys.get(bytes(sealed[len(LOCAL_FORMAT) : start]))
        if sealed[:1] != LOCAL_FORMAT or key is None:
            raise Unsealable(owner)
        return _decrypted(key, head, sealed[start:], owner, _context(owner, field))

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value has the present format, and was sealed with the newest key."""
        return sealed.startswith(LOCAL_FORMAT + self._newest)

    def _open_old(self, sealed: bytes, owner: str) -> bytes:
        for key in self._keys.values():
            with suppress(Unsealable):
                return _decrypted(key, OLD_LOCAL_FORMAT, sealed[len(OLD_LOCAL_FORMAT) :], owner, owner)
        raise Unsealable(owner)


class KmsKey:
    """A data key for each value, wrapped by a key that never leaves AWS KMS. Opening needs permission to use that key.

    Unwrapped keys are cached, so that a busy webhook does not call KMS for every message.
    """

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._kms: KMSClient = boto3.client("kms", config=client_config(KEY_READ_SECONDS_MAX))
        self._unwrapped = lru_cache(maxsize=UNWRAPPED_KEYS_MAX)(self._unwrap)

    def seal(self, plain: bytes, owner: str, field: str) -> bytes:
        """The sealed form, which may be stored. Raises Transient."""
        context = _context(owner, field)
        try:
            data_key = self._kms.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext={"context": context}
            )
        except (ClientError, BotoCoreError, OSError) as error:
            raise _translated(error, owner) from error
        wrapped = data_key["CiphertextBlob"]
        length = len(wrapped).to_bytes(LENGTH_BYTES, "big")
        return KMS_FORMAT + length + wrapped + _encrypted(data_key["Plaintext"], KMS_FORMAT, plain, context)

    def open(self, sealed: bytes, owner: str, field: str) -> bytes:
        """The value that was sealed for this field of this owner. Raises Unsealable, Transient."""
        form = bytes(sealed[:1])
        start = len(KMS_FORMAT) + LENGTH_BYTES
        end = start + int.from_bytes(sealed[len(KMS_FORMAT) : start], "big")
        if form not in (KMS_FORMAT, OLD_KMS_FORMAT) or not start < end < len(sealed):
            raise Unsealable(owner)
        context = owner if form == OLD_KMS_FORMAT else _context(owner, field)
        key = self._unwrapped(bytes(sealed[start:end]), owner, context)
        return _decrypted(key, form, sealed[end:], owner, context)

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value has the present format. KMS rotates its key by itself."""
        return sealed.startswith(KMS_FORMAT)

    def _unwrap(self, wrapped: bytes, owner: str, context: str) -> bytes:
        try:
            answer = self._kms.decrypt(
                KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext={"context": context}
            )
        except (ClientError, BotoCoreError, OSError) as error:
            raise _translated(error, owner) from error
        return answer["Plaintext"]


def sealer(settings: Settings) -> Sealer:
    """The sealer that the settings choose. Raises MissingSetting if they name none, or two."""
    match settings.webhook_key_file or None, settings.webhook_kms_key_id or None:
        case str(path), None:
            return LocalKey(path)
        case None, str(key_id):
            return KmsKey(key_id)
        case _:
            raise MissingSetting(
                "set one of WEBHOOK_KMS_KEY_ID and WEBHOOK_KEY_FILE: the key that seals webhooks' secrets"
            )


def holds_keys(size_bytes: int) -> bool:
    """Whether a file of this size can be a file of keys."""
    return size_bytes % KEY_BYTES == 0 and 0 < size_bytes <= KEY_FILE_KEYS_MAX * KEY_BYTES


def _key_id(key: bytes) -> bytes:
    """What tells keys apart. It reveals nothing of a random key."""
    return hashlib.sha256(key).digest()[:KEY_ID_BYTES]


def _context(owner: str, field: str) -> str:
    return f"{owner}:{field}"


def _encrypted(key: bytes, head: bytes, plain: bytes, context: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, _bound(head, context))


def _decrypted(key: bytes, head: bytes, sealed: bytes, owner: str, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(head, context))
    except (InvalidTag, ValueError):  # ValueError: too short.
        raise Unsealable(owner) from None


def _bound(head: bytes, context: str) -> bytes:
    """What the ciphertext is authenticated with: format, key and context."""
    return head + context.encode()


def _translated(error: Exception, owner: str) -> Exception:
    """What an error of KMS means to us. A missing permission or a disabled key stays as it is."""
    if not isinstance(error, ClientError):
        return Transient(f"KMS could not be reached: {type(error).__name__}")
    code = error.response["Error"]["Code"]
    if code in _UNWRAPPABLE or (code == _DENIED and _NO_PERMISSION not in error.response["Error"].get("Message", "")):
        return Unsealable(owner)
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or code == "ThrottlingException":
        return Transient(f"KMS answered {code}")
    return error
