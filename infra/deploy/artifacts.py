"""The bucket for packages and large templates, as strict as the buckets of the templates.

CloudFormation reads its templates from here, so the bucket has to exist before any stack. Anyone who can write to it
controls the code of all functions.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.stacks import Account

BLOCKED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
NONCURRENT_DAYS = 90
"""How long a package or template is kept after it was overwritten or deleted."""
INCOMPLETE_DAYS = 1


def artifacts_bucket(account: Account, stage: str) -> str:
    """Returns the name of a stage's bucket."""
    return f"product-importer-{stage}-artifacts-{account.number}"


def ensure_artifacts_bucket(account: Account, stage: str) -> str:
    """Creates the bucket if it is missing, and gives it its settings. Returns its name. Raises ClientError."""
    bucket, s3 = artifacts_bucket(account, stage), account.s3
    _create(account, bucket)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(BLOCKED, True))
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_encryption())
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=_lifecycle())
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(f"arn:{account.partition}:s3:::{bucket}")))
    return bucket


def _create(account: Account, bucket: str) -> None:
    location = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
    try:
        account.s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _encryption() -> dict[str, Any]:
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def _lifecycle() -> dict[str, Any]:
    everything = {"Status": "Enabled", "Filter": {"Prefix": ""}}
    return {
        "Rules": [
            {
                "ID": "expire-old-versions",
                **everything,
                "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS},
            },
            {
                "ID": "abort-incomplete-uploads",
                **everything,
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INCOMPLETE_DAYS},
            },
        ]
    }


def _tls_only(arn: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "tls-only",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
