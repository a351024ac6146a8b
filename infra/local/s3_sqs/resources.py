"""Creates the bucket and the queues of infra/resources.yml in an emulator. Safe to run again: it then only updates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.local.aws import ACCOUNT_ID, REGION, Endpoint
from infra.local.s3_sqs import bucket_properties, template
from infra.local.s3_sqs.template import Resource, Template, TemplateError
from infra.project import ROOT

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

FILE = ROOT / "infra" / "resources.yml"

QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)


@dataclass(frozen=True)
class Resources:
    """What exists now. `queue_urls` by the queue's full name."""

    bucket: str
    queue_urls: Mapping[str, str]


def declared(overrides: Mapping[str, str], file: Path = FILE) -> Template:
    """The template, with `overrides` as parameter values. Raises TemplateError for what is not in the subset."""
    pseudo = {"AWS::AccountId": ACCOUNT_ID, "AWS::Partition": "aws", "AWS::Region": REGION}
    return template.read(file, pseudo, overrides)


def bucket_name(declared: Template) -> str:
    """What the bucket will be called. Raises TemplateError unless there is exactly one."""
    buckets = [resource for resource in declared.resources.values() if resource.type == template.BUCKET]
    if len(buckets) != 1:
        raise TemplateError(f"one bucket is expected, {len(buckets)} are declared")
    return str(template.resolve(buckets[0].properties.get("BucketName"), declared.values.__getitem__, _no_attribute))


def create(endpoint: Endpoint, declared: Template) -> Resources:
    """Creates everything in the template. Raises TemplateError for a property that it does not know."""
    return _Creation(endpoint, declared).run()


class _Creation:
    """One pass over a template. A resource that another one refers to is created first, whatever the order."""

    def __init__(self, endpoint: Endpoint, declared: Template) -> None:
        self._s3 = endpoint.s3()
        self._sqs = endpoint.sqs()
        self._template = declared
        self._references: dict[str, str] = {}
        self._arns: dict[str, str] = {}
        self._under_way: list[str] = []
        self._queue_urls: dict[str, str] = {}

    def run(self) -> Resources:
        for name in self._template.resources:
            self._ensure(name)
        return Resources(bucket_name(self._template), self._queue_urls)

    def _ensure(self, name: str) -> None:
        if name in self._references:
            return
        if name in self._under_way:
            raise TemplateError(f"resources refer to each other in a circle: {' → '.join([*self._under_way, name])}")
        resource = self._template.resources.get(name)
        if resource is None:
            raise TemplateError(f"{name} is neither a parameter nor a resource that the local stack creates")
        self._under_way.append(name)
        for other in resource.depends_on:
            self._ensure(other)
        self._create(resource)
        self._under_way.remove(name)

    def _create(self, resource: Resource) -> None:
        properties = template.resolve(resource.properties, self._ref, self._attribute)
        match resource.type:
            case template.BUCKET:
                self._create_bucket(resource.name, properties)
            case template.QUEUE:
                self._create_queue(resource.name, properties)
            case template.QUEUE_POLICY:
                self._create_queue_policy(resource.name, properties)

    def _ref(self, name: str) -> Any:
        if name in self._template.values:
            return self._template.values[name]
        self._ensure(name)
        return self._references[name]

    def _attribute(self, name: str, which: str) -> str:
        self._ensure(name)
        if which != "Arn" or name not in self._arns:
            raise TemplateError(f"attribute {name}.{which} is not known to the local stack")
        return self._arns[name]

    def _create_queue(self, name: str, properties: Mapping[str, Any]) -> None:
        queue = properties.get("QueueName")
        if not isinstance(queue, str):
            raise TemplateError(f"queue {name} needs a QueueName: functions find queues by name")
        unknown = sorted(set(properties) - {"QueueName", *QUEUE_ATTRIBUTES})
        if unknown:
            raise TemplateError(f"queue {name}: properties not known to the local stack: {', '.join(unknown)}")
        attributes: dict[QueueAttributeNameType, str] = {
            key: _text(properties[key])  # type: ignore[misc]
            for key in QUEUE_ATTRIBUTES
            if key in properties
        }
        # Created bare and then set: creating an existing queue with other attributes would be refused.
        url = self._sqs.create_queue(QueueName=queue)["QueueUrl"]
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self._references[name] = self._queue_urls[queue] = url
        self._arns[name] = answer["Attributes"]["QueueArn"]

    def _create_queue_policy(self, name: str, properties: Mapping[str, Any]) -> None:
        policy = json.dumps(properties["PolicyDocument"])
        for url in properties["Queues"]:
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self._references[name] = name

    def _create_bucket(self, name: str, properties: Mapping[str, Any]) -> None:
        bucket = properties.get("BucketName")
        if not isinstance(bucket, str):
            raise TemplateError(f"bucket {name} needs a BucketName")
        self._create_bucket_itself(bucket)
        self._references[name] = bucket
        self._arns[name] = f"arn:aws:s3:::{bucket}"
        bucket_properties.apply(
            self._s3, bucket, {key: item for key, item in properties.items() if key != "BucketName"}
        )

    def _create_bucket_itself(self, bucket: str) -> None:
        try:
            self._s3.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise


def _no_attribute(name: str, which: str) -> str:
    raise TemplateError(f"the bucket's name may not depend on {name}.{which}")


def _text(value: Any) -> str:
    """SQS takes every attribute as text: objects as JSON, booleans in lower case."""
    return value if isinstance(value, str) else json.dumps(value)
