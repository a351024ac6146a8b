"""A login with IAM, as RDS does it: it asks for a password in clear text, and accepts a token.

The token is a presigned link for one user at one host. Its signature is not checked: the emulated account does not show
the keys that it was signed with. Whose policy allows which user is tested with the account (test_database_users.py).
"""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from infra.local.aws import REGION

LENGTH = struct.Struct("!I")
CANCEL = 80877102
"""The code of a request to cancel a statement, which has no login."""
ASK_FOR_PASSWORD = b"R" + struct.pack("!II", 8, 3)
REFUSAL = b"SFATAL\0VFATAL\0C28000\0MPAM authentication failed\0\0"
SKEW = timedelta(seconds=5)


class Logins:
    """Admits users to the database at `host` ("address:port"). `tokens` are the tokens that were shown."""

    def __init__(self, host: str) -> None:
        self.tokens: set[str] = set()
        self._host = host

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Returns the message with which the client begins, for the server; None if the client was refused."""
        startup = await _message(reader)
        if LENGTH.unpack_from(startup, 4) == (CANCEL,):
            return startup
        writer.write(ASK_FOR_PASSWORD)
        await writer.drain()
        await reader.readexactly(1)  # The type of the message.
        token = (await _message(reader))[4:].rstrip(b"\0").decode()
        self.tokens.add(token)
        if _is_for(token, _user(startup), self._host):
            return startup
        writer.write(b"E" + LENGTH.pack(LENGTH.size + len(REFUSAL)) + REFUSAL)
        await writer.drain()
        return None


def _is_for(token: str, user: str, host: str) -> bool:
    link = urlsplit(f"https://{token}")
    values = {name: value for name, (value, *_) in parse_qs(link.query).items()}
    if (link.netloc, values.get("Action"), values.get("DBUser")) != (host, "connect", user):
        return False
    signed_at = datetime.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    age = datetime.now(UTC) - signed_at
    scope = f"/{REGION}/rds-db/aws4_request"
    return -SKEW < age < timedelta(seconds=int(values["X-Amz-Expires"])) and values["X-Amz-Credential"].endswith(scope)


def _user(startup: bytes) -> str:
    """Names and values follow the length and the version of the protocol, each with a zero after it."""
    fields = startup[8:].split(b"\0")
    return dict(zip(fields[::2], fields[1::2], strict=False))[b"user"].decode()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A message with its length, which counts itself, in front."""
    length = await reader.readexactly(LENGTH.size)
    return length + await reader.readexactly(LENGTH.unpack(length)[0] - LENGTH.size)
