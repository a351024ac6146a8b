"""Who may have signed a database's certificate: the file that is deployed, and the command that renews it."""

from __future__ import annotations

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
from infra.deploy.rds_authorities import NAME, certificates, name_of, roots, written

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
DEPLOYED = list(certificates(RDS_AUTHORITIES.read_text("utf-8")))
GOOD = "Amazon RDS eu-central-1 Root CA RSA2048 G1"


@pytest.mark.parametrize("certificate", DEPLOYED, ids=name_of)
def test_each_is_a_root_of_rds_that_is_valid_for_long(certificate: x509.Certificate) -> None:
    assert NAME.fullmatch(name_of(certificate))
    organisation = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [each.value for each in organisation] == ["Amazon Web Services, Inc."]
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc - YEAR, "renew the file"
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    certificate.verify_directly_issued_by(certificate)


def test_every_region_has_one_for_each_kind_of_key() -> None:
    assert len({each.fingerprint(hashes.SHA256()) for each in DEPLOYED}) == len(DEPLOYED)
    by_region = Counter(name_of(each).split()[2] for each in DEPLOYED)
    assert set(by_region.values()) == {3}
    assert set(by_region) == rds_authorities.regions() >= {"us-east-1", "eu-central-1", "ap-southeast-2", "sa-east-1"}


def _made(name: str, *, until: datetime = NOW + YEAR, ca: bool = True, issuer: str | None = None) -> x509.Certificate:
    key, another_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder(issuer_name=_called(issuer or name), subject_name=_called(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - 2 * YEAR)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(another_key if issuer else key, hashes.SHA256())
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def test_only_roots_of_regions_that_are_valid_are_taken() -> None:
    good = _made(GOOD)
    others = [
        _made("Amazon RDS Preview us-east-2 Root CA RSA2048 G1"),
        _made("Amazon RDS Root 2019 CA"),
        _made("Amazon Root CA 1"),
        _made(f"Not {GOOD}"),
        _made(GOOD, until=NOW - timedelta(days=1)),
        _made(GOOD, ca=False),
        _made(GOOD, issuer="Amazon RDS Root 2019 CA"),
        # Signed by somebody of the same name.
        _made(GOOD, issuer=GOOD),
    ]
    bundle = "\n".join(["what a file says besides", *(_pem(each) for each in [*others, good, good])])
    assert list(roots(certificates(bundle), NOW)) == [good]


def test_renewing_from_what_is_there_changes_nothing_but_the_first_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again.pem"
    monkeypatch.setattr(rds_authorities, "RDS_AUTHORITIES", again)
    assert rds_authorities.main([str(RDS_AUTHORITIES), "--origin", "itself"]) == 0
    text = again.read_text("utf-8")
    assert "from itself" in text
    assert text.splitlines()[2:] == RDS_AUTHORITIES.read_text("utf-8").splitlines()[2:]
    assert written(reversed(DEPLOYED), "") == written(DEPLOYED, "")


def test_a_source_without_any_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.pem"
    kept.write_text("kept")
    monkeypatch.setattr(rds_authorities, "RDS_AUTHORITIES", kept)
    other = tmp_path / "other.pem"
    other.write_text(_pem(_made("Amazon Root CA 1")))
    assert rds_authorities.main([str(other)]) == 1
    assert rds_authorities.main([str(tmp_path / "nothing.pem")]) == 1
    assert "has no authority of RDS" in capsys.readouterr().err
    assert kept.read_text() == "kept"
