"""Certificates are checked against the name in the URL, although the connection goes to an address."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.webhooks.outbound.post import Outbound, Response, Unreachable
from tests.unit.receiver import OK, Reply, header_of, receiver

pytestmark = pytest.mark.timeout(30)

NAME = "public.example"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
LOOPBACK = ip_network("127.0.0.0/8")


class Authority:
    """Signs certificates, which clients with the context `trusting` accept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        root = self._signed(self._name, self._key.public_key(), NOW + DAY, x509.BasicConstraints(True, None))
        self.trusting = ssl.create_default_context(cadata=root.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, name: str, until: datetime = NOW + DAY) -> ssl.SSLContext:
        """A context for a server with this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        certificate = self._signed(subject, key.public_key(), until, alternative)
        path = self._directory / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(self, subject: x509.Name, key: Any, until: datetime, extension: Any) -> x509.Certificate:
        unsigned = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 10 * DAY)
            .not_valid_after(until)
            .add_extension(extension, critical=False)
        )
        return unsigned.sign(self._key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def sent(
    server: ssl.SSLContext | None,
    trusting: ssl.SSLContext | None,
    reply: bytes | Reply = OK,
    typed: str = NAME,
    name: str = NAME,
) -> Response:
    """The response to a POST to a host that goes to a receiver on loopback, and that has this name in ASCII."""
    with receiver(reply, server) as answering:
        outbound = Outbound(
            [LOOPBACK], resolve=lambda _host, _seconds: [ip_address("127.0.0.1")], tls=trusting, total_seconds=2
        )
        response = outbound.post(f"https://{typed}:{answering.port}/", {}, b"{}")
        assert answering.server_names == [name]
        assert header_of(answering.requests[0], "Host") == [f"{name}:{answering.port}"]
        return response


def test_a_valid_certificate_is_accepted_and_the_server_gets_the_name(authority: Authority) -> None:
    assert sent(authority.server(NAME), authority.trusting).status == 200


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("MÜLLER.example", "xn--mller-kva.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("straße.example.", "xn--strae-oqa.example"),
    ],
)
def test_a_certificate_has_the_ascii_form_of_an_international_name(typed: str, name: str, authority: Authority) -> None:
    assert sent(authority.server(name), authority.trusting, typed=typed, name=name).status == 200
    with pytest.raises(Unreachable, match=f"TLS: Hostname mismatch, certificate is not valid for '{name}'"):
        sent(authority.server("strasse.example"), authority.trusting, typed=typed, name=name)


def test_informational_responses_are_skipped_inside_tls(authority: Authority) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n"
    assert sent(authority.server(NAME), authority.trusting, hints + hints + OK).body == b"ok"


@pytest.mark.parametrize(
    ("name", "until", "trusted", "words"),
    [
        ("other.example", NOW + DAY, True, f"TLS: Hostname mismatch, certificate is not valid for '{NAME}'"),
        ("127.0.0.1", NOW + DAY, True, "TLS: Hostname mismatch"),
        (NAME, NOW - DAY, True, "TLS: certificate has expired"),
        (NAME, NOW + DAY, False, "TLS: unable to get local issuer certificate"),
    ],
    ids=["another name", "the address", "expired", "not trusted"],
)
def test_an_invalid_certificate_is_refused(
    name: str, until: datetime, trusted: bool, words: str, authority: Authority
) -> None:
    with pytest.raises(Unreachable, match=words):
        sent(authority.server(name, until), authority.trusting if trusted else None)


def test_a_server_without_tls_is_reported() -> None:
    with receiver(listens=False) as plain, pytest.raises(Unreachable, match=r"^TLS: wrong version number$"):
        Outbound([LOOPBACK]).post(f"https://127.0.0.1:{plain.port}/", {}, b"{}")


def test_the_deadline_holds_inside_tls(authority: Authority) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"^no complete response within 2 s$"):
        sent(
            authority.server(NAME),
            authority.trusting,
            lambda connection, it: it.drip(connection, b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
        )
    assert time.monotonic() - started < 10


def test_the_deadline_holds_for_the_handshake() -> None:
    with pytest.raises(Unreachable, match=r"^no complete response within 2 s$"):
        sent(None, None)
