"""What `make deploy` and `make destroy` ask of AWS, in which order, with an account that writes it down.

The account is a stand-in: nothing here was run on AWS. It keeps stacks and parameters as CloudFormation does, so that
doing it again can be compared with doing it once.
"""

# ruff: noqa: N803  arguments are named as boto3 names them

from __future__ import annotations

import io
import json
import posixpath
import re
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from infra import deployment
from infra.dependencies import ROOT
from infra.deployment import Account, DeploymentFailed
from infra.every_function import functions_of
from tests.packaging.conftest import STAGE, Package

APP, WEB = f"product-importer-{STAGE}", f"product-importer-{STAGE}-web"
NETWORK, DATABASE = f"product-importer-{STAGE}-network", f"product-importer-{STAGE}-database"
OUTPUTS = {
    NETWORK: {"SubnetIds": "subnet-a,subnet-b", "FunctionsGroupId": "sg-f", "DatabaseGroupId": "sg-d"},
    DATABASE: {
        "OwnerSecretArn": "arn:owner",
        "ImporterSecretArn": "arn:importer",
        "DatabaseHost": "db.internal",
        "DatabaseProxyHost": "proxy.internal",
    },
    APP: {"RestAPIId": "api123", "EndpointURL": "https://api"},
    WEB: {"PageBucket": "page", "SiteId": "E1", "SiteUrl": "https://site.example"},
}


class CloudFormation:
    """Stacks that come up at once."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.done: list[str] = []
        self.broken: str | None = None
        self._changes: dict[str, dict[str, Any]] = {}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName not in self.stacks:
            raise ClientError({"Error": {"Message": f"Stack {StackName} does not exist"}}, "DescribeStacks")
        stack = self.stacks[StackName]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()]
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS[StackName].items()]
        return {"Stacks": [{"StackStatus": stack["status"], "Parameters": parameters, "Outputs": outputs}]}

    def create_change_set(self, **asked: Any) -> None:
        known = self.stacks.get(asked["StackName"], {}).get("parameters", {})
        asked["resolved"] = {
            each["ParameterKey"]: known[each["ParameterKey"]]
            if each.get("UsePreviousValue")
            else each["ParameterValue"]
            for each in asked["Parameters"]
        }
        self._changes[asked["StackName"]] = asked

    def describe_change_set(self, StackName: str, ChangeSetName: str) -> dict[str, Any]:
        return {"Changes": [{}], "StatusReason": "The submitted information didn't contain changes."}

    def execute_change_set(self, StackName: str, ChangeSetName: str) -> None:
        change = self._changes.pop(StackName)
        self.done.append(f"{change['ChangeSetType']} {StackName}")
        source = change.get("TemplateBody") or change["TemplateURL"]
        self.stacks[StackName] = {"status": "UPDATE_COMPLETE", "parameters": change["resolved"], "source": source}

    def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
        self._changes.pop(StackName)

    def delete_stack(self, StackName: str) -> None:
        self.done.append(f"DELETE {StackName}")
        del self.stacks[StackName]

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        told = {
            "LogicalResourceId": "Database",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no capacity",
        }
        return {"StackEvents": [told, {"LogicalResourceId": "X", "ResourceStatus": "CREATE_COMPLETE"}]}

    def get_waiter(self, name: str) -> Any:
        return _Waiter(self, name)

    def is_unchanged(self, name: str) -> bool:
        change, stack = self._changes[name], self.stacks.get(name)
        source = change.get("TemplateBody") or change["TemplateURL"]
        return stack is not None and (stack["parameters"], stack["source"]) == (change["resolved"], source)


class _Waiter:
    def __init__(self, stacks: CloudFormation, name: str) -> None:
        self._stacks, self._name = stacks, name

    def wait(self, StackName: str, **_: Any) -> None:
        if self._name == "change_set_create_complete":
            if self._stacks.is_unchanged(StackName):
                raise WaiterError(self._name, "failed", {})
        elif self._stacks.broken == StackName:
            raise WaiterError(self._name, "failed", {})


class S3:
    """Buckets in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.properties: dict[tuple[str, str], dict[str, str]] = {}

    def create_bucket(self, **asked: Any) -> None:
        self.created = asked

    def put_public_access_block(self, **asked: Any) -> None:
        assert all(asked["PublicAccessBlockConfiguration"].values())

    def put_object(self, Bucket: str, Key: str, Body: bytes, **properties: str) -> None:
        self.objects[Bucket, Key] = Body
        self.properties[Bucket, Key] = properties

    def delete_object(self, Bucket: str, Key: str) -> None:
        del self.objects[Bucket, Key]

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for bucket, key in list(self.objects) if bucket == Bucket]}]


class Lambda:
    """The migration."""

    def __init__(self) -> None:
        self.fails = False
        self.invoked: list[str] = []

    def invoke(self, FunctionName: str) -> dict[str, Any]:
        self.invoked.append(FunctionName)
        if self.fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no database"}')}
        return {"Payload": io.BytesIO(b'{"applied": ["0001_catalogue.sql"]}')}


class CloudFront:
    """Invalidations are of no consequence here."""

    def create_invalidation(self, **_: Any) -> None:
        return


@pytest.fixture
def account() -> Account:
    return Account("123456789012", "eu-central-1", CloudFormation(), S3(), Lambda(), CloudFront())


def _deploy(account: Account, package: Package, **wanted: str) -> str:
    return deployment.deploy(account, STAGE, package.zip.parent, wanted)


def test_stacks_come_in_order_and_tell_each_other_what_they_need(account: Account, package: Package) -> None:
    assert _deploy(account, package, AlarmEmail="ops@example.com") == "https://site.example"
    stacks = account.cloudformation
    assert stacks.done == [
        *(f"CREATE {name}" for name in (NETWORK, DATABASE, APP, WEB)),
        # The page's address is known at the end: from then on only it may upload.
        f"UPDATE {APP}",
    ]
    assert account.lambda_.invoked == [f"product-importer-{STAGE}-migrate"]
    assert stacks.stacks[APP]["parameters"] == {
        "Stage": STAGE,
        "AlarmEmail": "ops@example.com",
        "SubnetIds": "subnet-a,subnet-b",
        "SecurityGroupIds": "sg-f",
        "ImporterSecretArn": "arn:importer",
        "OwnerSecretArn": "arn:owner",
        "DatabaseHost": "db.internal",
        "DatabaseProxyHost": "proxy.internal",
        "UiOrigins": "https://site.example",
    }
    web = stacks.stacks[WEB]["parameters"]
    assert "connect-src 'self' https://s3.eu-central-1.amazonaws.com;" in web["ContentSecurityPolicy"]
    assert web["ApiId"] == "api123"


def test_the_template_points_at_the_very_zip(account: Account, package: Package) -> None:
    _deploy(account, package)
    bucket = f"product-importer-{STAGE}-artifacts-123456789012"
    stored = {key: data for (where, key), data in account.s3.objects.items() if where == bucket}
    ((code, data),) = [(key, data) for key, data in stored.items() if key.startswith("code/")]
    assert data == package.zip.read_bytes()
    url = account.cloudformation.stacks[APP]["source"]
    template = json.loads(stored[url.partition(f"{bucket}/")[2]])
    uris = {function["Properties"]["CodeUri"] for function in functions_of(template).values()}
    assert uris == {f"s3://{bucket}/{code}"}


def test_everything_that_the_page_asks_for_was_uploaded(account: Account, package: Package) -> None:
    account.s3.objects["page", "components/of-an-earlier-version.js"] = b""
    _deploy(account, package)
    found = {key: data for (where, key), data in account.s3.objects.items() if where == "page"}
    asked_for = {"index.html", "api-docs.html"}
    unread = list(asked_for)
    while unread:
        key = unread.pop()
        assert key in found, f"{key} was not uploaded"
        for named in re.findall(
            r"""(?:src|href|from|import)[\s=(]*["'](\.{0,2}[\w./-]+\.\w+)["']""", found[key].decode()
        ):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(key), named))
            if path not in asked_for and not path.startswith("api/"):
                asked_for.add(path)
                unread.append(path)
    assert len(asked_for) > 50
    # Nothing hidden, and nothing that is no longer there.
    assert sorted(found) == sorted(
        file.relative_to(ROOT / "web").as_posix()
        for file in (ROOT / "web").rglob("[!.]*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
    )
    # Browsers run no module of another type, and no page with the scripts of another version.
    properties = account.s3.properties
    assert properties["page", "pages/import.js"]["ContentType"] == "text/javascript; charset=utf-8"
    assert {each["CacheControl"] for (where, _), each in properties.items() if where == "page"} == {"no-cache"}
    written = [key for where, key in properties if where == "page"]
    assert written[-1] == "index.html"


def test_doing_it_again_changes_no_stack_but_the_origin_and_back(account: Account, package: Package) -> None:
    _deploy(account, package, InstanceClass="db.r8g.large")
    once = json.dumps(account.cloudformation.stacks, sort_keys=True)
    del account.cloudformation.done[:]
    _deploy(account, package)
    # What was chosen the first time stays chosen.
    assert json.dumps(account.cloudformation.stacks, sort_keys=True) == once
    assert account.cloudformation.done == []


def test_a_stack_that_fails_says_why_and_nothing_comes_after_it(account: Account, package: Package) -> None:
    account.cloudformation.broken = DATABASE
    with pytest.raises(DeploymentFailed, match=rf"{DATABASE} failed:\nDatabase: no capacity$"):
        _deploy(account, package)
    assert APP not in account.cloudformation.stacks


def test_a_stack_that_never_came_up_is_begun_anew(account: Account, package: Package) -> None:
    account.cloudformation.stacks[NETWORK] = {"status": "ROLLBACK_COMPLETE", "parameters": {}, "source": ""}
    _deploy(account, package)
    assert account.cloudformation.done[:2] == [f"DELETE {NETWORK}", f"CREATE {NETWORK}"]


def test_a_failed_migration_ends_the_deployment(account: Account, package: Package) -> None:
    account.lambda_.fails = True
    with pytest.raises(DeploymentFailed, match=r"the migration failed: .*no database"):
        _deploy(account, package)
    assert WEB not in account.cloudformation.stacks


def test_destroying_takes_the_last_first_and_can_be_repeated(account: Account, package: Package) -> None:
    _deploy(account, package)
    del account.cloudformation.done[:]
    for _ in range(2):
        deployment.destroy(account, STAGE)
    assert account.cloudformation.done == [f"DELETE {name}" for name in (WEB, APP, DATABASE, NETWORK)]
    assert not [key for where, key in account.s3.objects if where == "page"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2"])
def test_the_page_may_connect_to_where_links_lead(region: str) -> None:
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b", config=config)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "files", "Key": "k"})
    assert url.startswith(f"{deployment.s3_origin(region)}/files/k?")


@pytest.mark.parametrize("arguments", [[], ["deploy"], ["remove", "dev"], ["deploy", "dev", "AlarmEmail"]])
def test_wrong_usage_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert deployment.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
