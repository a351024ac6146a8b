"""Every bucket is private, encrypted, reached with TLS only, and cleaned up; also the one that no template declares."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from infra.deploy.artifacts import ensure_artifacts_bucket
from infra.deploy.deployment import template_of
from tests.packaging.conftest import STAGE, Package
from tests.packaging.fake_account import NUMBER, FakeAccount

PRIVATE = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
ARTIFACTS = f"product-importer-{STAGE}-artifacts-{NUMBER}"
WRITTEN_BY_CLOUDFRONT = "Logs"
"""CloudFront refuses a bucket without access control lists. The bucket's owner owns the files all the same."""


@pytest.fixture
def artifacts() -> dict[str, Any]:
    """The settings of the bucket for packages, by the operation that sets them."""
    aws = FakeAccount({})
    assert ensure_artifacts_bucket(aws.account, STAGE) == ARTIFACTS
    return {operation: setting for (_, operation), setting in aws.settings.items()}


def _declared(package: Package) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Returns the properties and the policy of every bucket in the templates."""
    found = {}
    for resources in (package.template["Resources"], yaml.safe_load(template_of("web"))["Resources"]):
        policies = {
            each["Properties"]["Bucket"]["Ref"]: each["Properties"]["PolicyDocument"]
            for each in resources.values()
            if each["Type"] == "AWS::S3::BucketPolicy"
        }
        for name, each in resources.items():
            if each["Type"] == "AWS::S3::Bucket":
                found[name] = (each["Properties"], policies[name])
    return found


def _refuses_all_but_tls(policy: dict[str, Any], resources: list[Any]) -> bool:
    (statement,) = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    expected = {
        "Sid": "tls-only",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return bool(statement == expected)


def test_every_declared_bucket_is_strict(package: Package) -> None:
    buckets = _declared(package)
    assert set(buckets) == {"Files", "FileLogs", "Page", WRITTEN_BY_CLOUDFRONT}
    for name, (properties, policy) in buckets.items():
        assert properties["PublicAccessBlockConfiguration"] == PRIVATE, name
        (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}, name
        owner = "BucketOwnerPreferred" if name == WRITTEN_BY_CLOUDFRONT else "BucketOwnerEnforced"
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": owner}]}, name
        assert _refuses_all_but_tls(policy, [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]), name


def test_the_bucket_for_packages_is_as_strict_as_the_one_for_files(package: Package, artifacts: dict[str, Any]) -> None:
    files, _ = _declared(package)["Files"]
    assert artifacts["put_public_access_block"] == files["PublicAccessBlockConfiguration"]
    assert artifacts["put_bucket_ownership_controls"] == files["OwnershipControls"]
    assert artifacts["put_bucket_versioning"] == files["VersioningConfiguration"]
    (declared,) = files["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = artifacts["put_bucket_encryption"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == declared["ServerSideEncryptionByDefault"]
    arn = f"arn:aws:s3:::{ARTIFACTS}"
    assert _refuses_all_but_tls(json.loads(artifacts["put_bucket_policy"]), [arn, f"{arn}/*"])


def test_old_packages_and_incomplete_uploads_expire(artifacts: dict[str, Any]) -> None:
    rules = {rule["ID"]: rule for rule in artifacts["put_bucket_lifecycle_configuration"]["Rules"]}
    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    assert rules["expire-old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert rules["abort-incomplete-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    # A function's code must not disappear while it is in use.
    assert not [rule for rule in rules.values() if "Expiration" in rule]


def test_requests_for_files_are_logged_for_a_limited_time(package: Package) -> None:
    buckets = _declared(package)
    (files, _), (logs, policy) = buckets["Files"], buckets["FileLogs"]
    assert files["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "FileLogs"}
    (rule,) = logs["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "LogDays"})
    (written,) = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    assert written["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert written["Action"] == "s3:PutObject"
    source = written["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert source == f"arn:${{AWS::Partition}}:s3:::{files['BucketName']['Fn::Sub']}"
    assert written["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert package.template["Resources"]["FileLogs"]["DeletionPolicy"] == "Retain"
