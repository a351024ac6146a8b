"""What CloudFormation says about a bucket, in the words of S3's own API. The two name the same things differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from infra.local.s3_sqs.template import TemplateError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Setter = Callable[["S3Client", str, Mapping[str, Any]], object]


def apply(s3: S3Client, bucket: str, properties: Mapping[str, Any]) -> None:
    """Sets every property. Raises TemplateError for one that is not known."""
    for name, value in properties.items():
        if name not in _SETTERS:
            raise TemplateError(f"bucket {bucket}: property {name} is not known to the local stack")
        _SETTERS[name](s3, bucket, value)


def _versioning(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": value["Status"]})


def _encryption(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    rules: list[Any] = [
        _renamed(
            rule, {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault", "BucketKeyEnabled": None}
        )
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _public_access(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**value})  # type: ignore[typeddict-item]


def _ownership(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": value["Rules"]})


def _cors(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    names = {
        "Id": "ID",
        "AllowedHeaders": None,
        "AllowedMethods": None,
        "AllowedOrigins": None,
        "ExposedHeaders": "ExposeHeaders",
        "MaxAge": "MaxAgeSeconds",
    }
    rules: list[Any] = [_renamed(rule, names) for rule in value["CorsRules"]]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})


def _lifecycle(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    rules: list[Any] = [_lifecycle_rule(rule) for rule in value["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "Id": "ID",
        "Status": None,
        "NoncurrentVersionExpiration": None,
        "AbortIncompleteMultipartUpload": None,
        "Prefix": "Prefix",
        "ExpirationInDays": "Expiration",
    }
    translated = _renamed(rule, names)
    translated["Filter"] = {"Prefix": translated.pop("Prefix", "")}
    if "Expiration" in translated:
        translated["Expiration"] = {"Days": translated["Expiration"]}
    return translated


def _notification(s3: S3Client, bucket: str, value: Mapping[str, Any]) -> None:
    if set(value) != {"QueueConfigurations"}:
        raise TemplateError(f"bucket {bucket}: only notifications to queues are known to the local stack")
    configurations: list[Any] = [
        {
            "QueueArn": configuration["Queue"],
            "Events": [configuration["Event"]],
            "Filter": {"Key": {"FilterRules": configuration.get("Filter", {}).get("S3Key", {}).get("Rules", [])}},
        }
        for configuration in value["QueueConfigurations"]
    ]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": configurations}
    )


def _renamed(rule: Mapping[str, Any], names: Mapping[str, str | None]) -> dict[str, Any]:
    unknown = sorted(set(rule) - set(names))
    if unknown:
        raise TemplateError(f"not known to the local stack: {', '.join(unknown)} in {dict(rule)}")
    return {names[key] or key: item for key, item in rule.items()}


_SETTERS: dict[str, Setter] = {
    "VersioningConfiguration": _versioning,
    "BucketEncryption": _encryption,
    "PublicAccessBlockConfiguration": _public_access,
    "OwnershipControls": _ownership,
    "CorsConfiguration": _cors,
    "LifecycleConfiguration": _lifecycle,
    "NotificationConfiguration": _notification,
}
