"""Who signs the certificates of databases in RDS, as functions know it: chalicelib/rds-authorities.pem.

    python -m infra.deploy.rds_authorities [SOURCE] [--origin ORIGIN]

Writes that file anew, from the certificates in SOURCE: an address or a file, by default AWS's bundle of all regions.
ORIGIN is what the file shall say of where they come from, if not SOURCE. Look at what is different, then commit it.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chalicelib.backends.credentials import RDS_AUTHORITIES

BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
DOWNLOAD_SECONDS_MAX = 30
NAME = re.compile(r"Amazon RDS ([a-z]{2}(?:-[a-z]+)+-\d+) Root CA (?:RSA2048|RSA4096|ECC384) G\d+")
"""One for each region and kind of key. Those of AWS's own trials (Beta, Preview) are called otherwise."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def main(arguments: list[str]) -> int:
    """Writes the file. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.deploy.rds_authorities", description="Renew the authorities of RDS."
    )
    parser.add_argument("source", nargs="?", default=BUNDLE, help="address or file with certificates in PEM")
    parser.add_argument("--origin", help="what the file says of where they come from; the source, if it is not given")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    try:
        found = list(roots(certificates(_read(options.source)), now))
    except OSError as error:
        sys.stderr.write(f"{options.source} cannot be read: {error}\n")
        return 1
    if not found:
        sys.stderr.write(f"{options.source} has no authority of RDS that is valid\n")
        return 1
    text = written(found, f"{now:%Y-%m-%d}, from {options.origin or options.source}")
    RDS_AUTHORITIES.write_text(text, "utf-8")
    sys.stdout.write(f"{RDS_AUTHORITIES}: {len(found)} authorities of {len(_regions(found))} regions\n")
    return 0


def certificates(text: str) -> Iterator[x509.Certificate]:
    """Every certificate in a text, between whatever else there is."""
    for block in _BLOCK.findall(text):
        yield x509.load_pem_x509_certificate(block.encode())


def roots(found: Iterable[x509.Certificate], now: datetime) -> Iterator[x509.Certificate]:
    """Those that sign certificates of databases at this time, each once."""
    for certificate in dict.fromkeys(found):
        if NAME.fullmatch(name_of(certificate)) and certificate.not_valid_after_utc > now and _is_a_root(certificate):
            yield certificate


def written(found: Iterable[x509.Certificate], when_and_whence: str) -> str:
    """What the file says. It depends on the certificates, not on their order."""
    parts = [
        "# Who signs the certificates of databases in RDS. Written by `python -m infra.deploy.rds_authorities`.",
        f"# {when_and_whence}",
    ]
    for certificate in sorted(found, key=name_of):
        pem = certificate.public_bytes(Encoding.PEM).decode().rstrip()
        parts.append(f"\n# {name_of(certificate)}, until {certificate.not_valid_after_utc:%Y-%m-%d}\n{pem}")
    return "\n".join(parts) + "\n"


def regions() -> set[str]:
    """The regions whose databases functions recognise."""
    return _regions(certificates(RDS_AUTHORITIES.read_text("utf-8")))


def name_of(certificate: x509.Certificate) -> str:
    """Its common name."""
    (named,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(named.value)


def _regions(found: Iterable[x509.Certificate]) -> set[str]:
    return {match[1] for each in found if (match := NAME.fullmatch(name_of(each)))}


def _is_a_root(certificate: x509.Certificate) -> bool:
    """Whether it says that it is an authority, and is signed by itself."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(certificate)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError):
        return False
    return constraints.ca


def _read(source: str) -> str:
    """The text at an address, or in a file. Raises OSError."""
    if not source.startswith("https://"):
        return Path(source).read_text("utf-8")
    with urllib.request.urlopen(source, timeout=DOWNLOAD_SECONDS_MAX) as answer:  # noqa: S310  it is https
        return str(answer.read().decode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
