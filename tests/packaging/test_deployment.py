"""What `make deploy` and `make destroy` ask of AWS, in which order, with an account that writes it down.

The account is a stand-in: nothing here was run on AWS.
"""

from __future__ import annotations

import json
import posixpath
import re

import boto3
import pytest
from botocore.config import Config

from infra.deploy import deployment, packaging
from infra.deploy.every_function import functions_of
from infra.deploy.stacks import BESIDE_APP, INVOCATION_SECONDS_MAX, PARTS, Account, DeploymentFailed, name_of, s3_origin
from infra.project import ROOT
from tests.packaging.conftest import STAGE, Package
from tests.packaging.standin_account import NUMBER, REGION, Standin

NETWORK, DATABASE, APP, PROXY, WEB = (name_of(STAGE, part) for part in PARTS)
MIGRATE = f"{APP}-migrate"
FILES = f"https://s3.{REGION}.amazonaws.com/{APP}-files-{NUMBER}/"
SITE = "https://site.example"
OUTPUTS = {
    NETWORK: {"SubnetIds": "subnet-a,subnet-b", "FunctionsGroupId": "sg-f", "DatabaseGroupId": "sg-d"},
    DATABASE: {
        "OwnerSecretArn": "arn:owner",
        "ImporterSecretArn": "arn:importer",
        "DatabaseHost": "db.internal",
        "DatabaseProxyHost": "proxy.internal",
    },
    APP: {"RestAPIId": "api123", "EndpointURL": "https://api"},
    WEB: {"PageBucket": "page", "SiteId": "E1", "SiteUrl": SITE},
}


@pytest.fixture
def aws() -> Standin:
    return Standin(OUTPUTS)


def _deploy(aws: Standin, package: Package, **wanted: str) -> str:
    return deployment.deploy(aws.account, STAGE, package.zip.parent, wanted)


def test_stacks_come_in_order_and_tell_each_other_what_they_need(aws: Standin, package: Package) -> None:
    assert _deploy(aws, package, AlarmEmail="ops@example.com") == SITE
    assert aws.done == [
        f"CREATE {NETWORK}",
        f"CREATE {DATABASE}",
        f"CREATE {APP}",
        # The proxy comes up when it can log in, as the role that the migration makes.
        f"INVOKE {MIGRATE}",
        f"CREATE {PROXY}",
        f"CREATE {WEB}",
        # The page's address is known at the end: from then on only it may upload.
        f"UPDATE {APP}",
    ]
    assert (
        aws.stacks[APP]["parameters"].items()
        >= {
            "Stage": STAGE,
            "AlarmEmail": "ops@example.com",
            "SubnetIds": "subnet-a,subnet-b",
            "SecurityGroupIds": "sg-f",
            "ImporterSecretArn": "arn:importer",
            "OwnerSecretArn": "arn:owner",
            "DatabaseHost": "db.internal",
            "DatabaseProxyHost": "proxy.internal",
            "UiOrigins": SITE,
        }.items()
    )
    web = aws.stacks[WEB]["parameters"]
    assert f"connect-src 'self' {FILES};" in web["ContentSecurityPolicy"]
    assert web["ApiId"] == "api123"


def test_the_template_points_at_the_very_zip(aws: Standin, package: Package) -> None:
    _deploy(aws, package)
    bucket = f"{APP}-artifacts-{NUMBER}"
    ((code, data),) = [
        (key, data) for (where, key), data in aws.objects.items() if where == bucket and key.startswith("code/")
    ]
    assert data == package.zip.read_bytes()
    template = json.loads(aws.stacks[APP]["body"])
    uris = {function["Properties"]["CodeUri"] for function in functions_of(template).values()}
    assert uris == {f"s3://{bucket}/{code}"}


def test_everything_that_the_page_asks_for_was_uploaded(aws: Standin, package: Package) -> None:
    aws.objects["page", "components/of-an-earlier-version.js"] = b""
    _deploy(aws, package)
    found = {key: data for (where, key), data in aws.objects.items() if where == "page"}
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
    assert aws.properties["page", "pages/import.js"]["ContentType"] == "text/javascript; charset=utf-8"
    assert {each["CacheControl"] for (where, _), each in aws.properties.items() if where == "page"} == {"no-cache"}
    written = [key for where, key in aws.properties if where == "page"]
    assert written[-1] == "index.html"


def test_doing_it_again_changes_no_stack(aws: Standin, package: Package) -> None:
    _deploy(aws, package, InstanceClass="db.r8g.large")
    once = json.dumps(aws.stacks, sort_keys=True)
    aws.done.clear()
    _deploy(aws, package)
    # What was chosen the first time stays chosen.
    assert json.dumps(aws.stacks, sort_keys=True) == once
    assert aws.done == [f"CODE {MIGRATE}", f"INVOKE {MIGRATE}"]


def test_the_schema_comes_before_the_code_that_needs_it(aws: Standin, package: Package) -> None:
    _deploy(aws, package)
    aws.done.clear()
    _deploy(aws, package, LogDays="90")
    assert aws.done == [f"CODE {MIGRATE}", f"INVOKE {MIGRATE}", f"UPDATE {APP}"]


def test_an_origin_of_ones_own_stays(aws: Standin, package: Package) -> None:
    own = "https://import.example.com"
    _deploy(aws, package, UiOrigins=own)
    _deploy(aws, package)
    assert aws.stacks[APP]["parameters"]["UiOrigins"] == own


def test_without_the_proxy_everything_goes_to_the_database(aws: Standin, package: Package) -> None:
    _deploy(aws, package)
    _deploy(aws, package, WithProxy="false")
    assert aws.stacks[APP]["parameters"]["DatabaseProxyHost"] == ""
    assert PROXY not in aws.stacks


def test_a_parameter_that_there_is_not_is_refused_before_anything_is_done(aws: Standin, package: Package) -> None:
    with pytest.raises(DeploymentFailed, match=r"no parameter AlarmMail, MultiAZ; there are .*AlarmEmail.*MultiAz"):
        _deploy(aws, package, MultiAZ="true", AlarmMail="ops@example.com")
    assert (aws.done, aws.objects) == ([], {})


def test_changes_of_outputs_alone_are_made_too(aws: Standin, package: Package) -> None:
    aws.changes_listed = False
    _deploy(aws, package)
    assert f"CREATE {WEB}" in aws.done


def test_a_stack_that_fails_says_why_and_nothing_comes_after_it(aws: Standin, package: Package) -> None:
    aws.broken = DATABASE
    with pytest.raises(DeploymentFailed, match=rf"{DATABASE} failed:\nDatabase: no capacity$"):
        _deploy(aws, package)
    assert APP not in aws.stacks


def test_a_stack_that_never_came_up_is_begun_anew(aws: Standin, package: Package) -> None:
    aws.stacks[NETWORK] = {"status": "ROLLBACK_COMPLETE", "parameters": {}, "body": ""}
    _deploy(aws, package)
    assert aws.done[:2] == [f"DELETE {NETWORK}", f"CREATE {NETWORK}"]


def test_a_stack_that_somebody_is_changing_is_left_alone(aws: Standin, package: Package) -> None:
    aws.stacks[NETWORK] = {"status": "UPDATE_IN_PROGRESS", "parameters": {}, "body": ""}
    with pytest.raises(DeploymentFailed, match=rf"{NETWORK} is being changed \(UPDATE_IN_PROGRESS\)"):
        _deploy(aws, package)
    assert aws.done == []


def test_a_failed_migration_ends_the_deployment(aws: Standin, package: Package) -> None:
    aws.migration_fails = True
    with pytest.raises(DeploymentFailed, match=r"the migration failed: .*no database"):
        _deploy(aws, package)
    assert WEB not in aws.stacks


def test_a_migration_is_waited_for_as_long_as_it_may_run_and_never_begun_twice(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Config | None] = {}
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, REGION)
    made = boto3.client

    def client(service: str, config: Config | None = None) -> object:
        asked[service] = config
        return _Sts() if service == "sts" else made(service, config=config)  # type: ignore[call-overload]

    monkeypatch.setattr("infra.deploy.stacks.boto3.client", client)
    chosen = Account.of_this_machine().lambda_.meta.config
    assert package.functions["migrate"]["Timeout"] < INVOCATION_SECONDS_MAX == chosen.read_timeout
    assert chosen.retries["total_max_attempts"] == 1


class _Sts:
    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": NUMBER}


def test_destroying_takes_the_last_first_and_can_be_repeated(aws: Standin, package: Package) -> None:
    _deploy(aws, package)
    aws.done.clear()
    for _ in range(2):
        deployment.destroy(aws.account, STAGE)
    assert aws.done == [f"DELETE {name}" for name in (WEB, PROXY, APP, DATABASE, NETWORK)]
    assert not [key for where, key in aws.objects if where == "page"]


@pytest.mark.parametrize("part", BESIDE_APP)
def test_no_stage_has_the_stacks_of_another(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert name_of(f"{STAGE}-{part}", "app") == name_of(STAGE, part)
    assert deployment.main(["destroy", f"{STAGE}-{part}"]) == 1
    assert "choose another name" in capsys.readouterr().err
    assert packaging.main([f"{STAGE}-{part}"]) == 1


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2"])
def test_the_page_may_connect_to_where_links_lead(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b", config=config)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "files", "Key": "k"})
    assert url.startswith(f"{s3_origin(region)}/files/k?")


def test_the_page_may_connect_to_the_bucket_of_its_stage(aws: Standin, package: Package) -> None:
    (bucket,) = package.of_type("AWS::S3::Bucket").values()
    name = bucket["BucketName"]["Fn::Sub"].replace("${Stage}", STAGE).replace("${AWS::AccountId}", NUMBER)
    assert deployment.uploads_to(aws.account, STAGE) == f"{s3_origin(REGION)}/{name}/"


def test_a_region_whose_databases_nobody_recognises_is_told_before_anything_is_made(
    aws: Standin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = aws.account
    account.region = "xx-nowhere-1"
    monkeypatch.setattr(Account, "of_this_machine", lambda: account)
    assert deployment.main(["deploy", STAGE]) == 1
    assert (
        "certificates of databases in xx-nowhere-1: run `python -m infra.deploy.rds_authorities`"
        in capsys.readouterr().err
    )
    assert aws.done == []


@pytest.mark.parametrize("arguments", [[], ["deploy"], ["remove", "dev"], ["deploy", "dev", "AlarmEmail"]])
def test_wrong_usage_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert deployment.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
