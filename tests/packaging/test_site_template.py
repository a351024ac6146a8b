"""CloudFront: the only way to the API, with a TLS minimum, a log, and room for a web firewall."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from infra.deploy.deployment import template_of
from infra.project import ROOT
from tests.packaging.conftest import Package

TEMPLATE: dict[str, Any] = yaml.safe_load(template_of("web"))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
SITE: dict[str, Any] = RESOURCES["Site"]["Properties"]["DistributionConfig"]
FIREWALL = ROOT / "infra" / "deploy" / "firewall.yml"
NOTHING = {"Ref": "AWS::NoValue"}
YEAR_SECONDS = 365 * 24 * 3600


def test_a_domain_of_ones_own_needs_tls_1_2() -> None:
    condition, own, default = SITE["ViewerCertificate"]["Fn::If"]
    assert condition == "HasDomain"
    assert own == {
        "AcmCertificateArn": {"Ref": "CertificateArn"},
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2025",
    }
    assert default == {"CloudFrontDefaultCertificate": True}
    assert SITE["Aliases"] == {"Fn::If": ["HasDomain", [{"Ref": "DomainName"}], NOTHING]}
    assert TEMPLATE["Outputs"]["SiteUrl"]["Value"]["Fn::If"][:2] == ["HasDomain", {"Fn::Sub": "https://${DomainName}"}]


def test_a_domain_without_a_certificate_is_refused() -> None:
    (rule,) = TEMPLATE["Rules"].values()
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CertificateArn"}, ""]}]}


def test_browsers_use_tls_alone_for_a_year_also_for_subdomains() -> None:
    headers = RESOURCES["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert headers["StrictTransportSecurity"] == {
        "AccessControlMaxAgeSec": YEAR_SECONDS,
        "IncludeSubdomains": True,
        "Override": True,
    }
    behaviours = [SITE["DefaultCacheBehavior"], *SITE["CacheBehaviors"]]
    assert all(each["ResponseHeadersPolicyId"] == {"Ref": "Headers"} for each in behaviours)


def test_every_request_to_the_api_has_the_secret_and_uses_tls_1_2() -> None:
    (api,) = [origin for origin in SITE["Origins"] if "CustomOriginConfig" in origin]
    assert api["OriginCustomHeaders"] == [
        {"HeaderName": "Referer", "HeaderValue": {"Fn::Sub": "{{resolve:secretsmanager:${SiteSecretName}}}"}}
    ]
    assert api["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}
    (behaviour,) = [each for each in SITE["CacheBehaviors"] if each["TargetOriginId"] == api["Id"]]
    assert behaviour["PathPattern"] == "/api/*"


def test_a_web_firewall_sees_every_request() -> None:
    assert SITE["WebACLId"] == {"Fn::If": ["HasWebAcl", {"Ref": "WebAclArn"}, NOTHING]}
    template = yaml.safe_load(FIREWALL.read_text("utf-8"))
    firewall = template["Resources"]["Firewall"]["Properties"]
    assert firewall["Scope"] == "CLOUDFRONT"
    (rule,) = firewall["Rules"]
    limit = rule["Statement"]["RateBasedStatement"]
    assert (limit["AggregateKeyType"], limit["Limit"]) == ("IP", {"Ref": "RequestsPerAddress"})
    assert list(rule["Action"]) == ["Block"]
    assert "WebAclArn" in template["Outputs"]


def test_the_firewall_can_be_deployed_to_us_east_1() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(lint), "--regions", "us-east-1", "--", str(FIREWALL)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_requests_are_logged_without_cookies_for_a_limited_time() -> None:
    assert SITE["Logging"] == {
        "Fn::If": ["HasSiteLogs", {"Bucket": {"Fn::GetAtt": ["Logs", "DomainName"]}, "IncludeCookies": False}, NOTHING]
    }
    assert TEMPLATE["Parameters"]["SiteLogs"]["Default"] == "true"
    (rule,) = RESOURCES["Logs"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "LogDays"})
    # A bucket with files cannot be deleted, and the log of a stage is of use after its end.
    assert RESOURCES["Logs"]["DeletionPolicy"] == "Retain"


def test_no_secret_is_in_a_query_string(package: Package) -> None:
    """CloudFront logs query strings. Links of S3 have signatures in theirs, but do not pass through CloudFront."""
    schemes = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"]
    assert {each["in"] for each in schemes.values()} == {"header"}
