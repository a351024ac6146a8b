"""Certificates for servers on this machine, in place of AWS's public certificates and those of RDS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """The certificate of a server and its key, and the certificate of the authority that signed it."""

    file: Path
    key: Path
    authority: Path

    def server_context(self) -> ssl.SSLContext:
        """Returns the TLS context of a server that presents the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Returns the TLS context of a client that trusts only this authority."""
        return ssl.create_default_context(cafile=str(self.authority))


class Authority:
    """Signs certificates. A client that trusts `file` trusts the servers that present them."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _x509_name(f"Product Importer's tests: {name}")
        builder = self._builder(self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = self._signed(builder, "authority.pem")

    def certificate(self, address: str) -> Certificate:
        """Returns a new certificate for a server at this IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_x509_name(address), key)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        file = self._signed(builder.add_extension(names, critical=False), f"{address}.pem")
        encoding, layout = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key_file = file.with_suffix(".key")
        key_file.write_bytes(key.private_bytes(encoding, layout, serialization.NoEncryption()))
        return Certificate(file, key_file, self.file)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        # Newer versions of Python require the identifiers.
        subject_key, issuer_key = key.public_key(), self._key.public_key()
        return (
            x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=subject_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - VALID)
            .not_valid_after(now + VALID)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        )

    def _signed(self, builder: x509.CertificateBuilder, name: str) -> Path:
        file = self._directory / name
        file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return file


def _x509_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
