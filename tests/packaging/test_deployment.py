"""The calls of `make deploy` and `make destroy` to AWS, and their order. The account is a fake: nothing runs on AWS."""

from __future__ import annotations

import json
import posixpath
import re

import boto3
import pytest
import yaml
from botocore.config import Config

from infra.deploy import deployment, packaging
from infra.deploy.errors import MigrationFailed, SecretInUse, StackFailed, UnknownParameters
from infra.deploy.every_function import functions_of
from infra.deploy.stacks import INVOCATION_SECONDS_MAX, PARTS, STANDALONE_PARTS, Account, name_of, s3_origin
from infra.project import ROOT
from tests.packaging.conftest import STAGE, Package
from tests.packaging.fake_account import NUMBER, REGION, RESOURCE_ID, S3_PREFIX_LIST, FakeAccount

NETWORK, DATABASE, APP, PROXY, WEB = (name_of(STAGE, part) for part in PARTS)
MIGRATE = f"{APP}-migrate"
FILES = f"https://s3.{REGION}.amazonaws.com/{APP}-files-{NUMBER}/"
SITE = "https://site.example"
OUTPUTS = {
    NETWORK: {
        "SubnetIds": "subnet-a,subnet-b",
        "FunctionsGroupId": "sg-f",
        "WebhooksGroupId": "sg-w",
        "DatabaseGroupId": "sg-d",
    },
    DATABASE: {
        "OwnerSecretArn": "arn:owner",
        "ImporterSecretArn": "arn:importer",
        "DatabaseHost": "db.internal",
        "DatabaseProxyHost": "proxy.internal",
        "DatabaseProxyResourceId": "prx-1",
        "ProxyRoleName": "proxy-role",
    },
    APP: {"RestAPIId": "api123", "EndpointURL": "https://api", "SiteSecretName": f"{APP}-site-a1"},
    WEB: {"PageBucket": "page", "SiteId": "E1", "SiteUrl": SITE, "SiteAddress": "site.example"},
}


@pytest.fixture
def aws() -> FakeAccount:
    return FakeAccount(OUTPUTS)


def _deploy(aws: FakeAccount, package: Package, **wanted: str) -> str:
    return deployment.deploy(aws.account, STAGE, package.zip.parent, wanted)


def test_stacks_are_created_in_order_and_get_the_outputs_of_those_before(aws: FakeAccount, package: Package) -> None:
    assert _deploy(aws, package, AlarmEmail="ops@example.com") == SITE
    assert aws.actions == [
        f"CREATE {NETWORK}",
        f"CREATE {DATABASE}",
        f"CREATE {APP}",
        # The proxy logs in as roles that the migration creates.
        f"INVOKE {MIGRATE}",
        f"CREATE {PROXY}",
        f"CREATE {WEB}",
        # The site's URL is known only at the end: from then on, no other site may upload.
        f"UPDATE {APP}",
    ]
    assert (
        aws.stacks[APP]["parameters"].items()
        >= {
            "Stage": STAGE,
            "AlarmEmail": "ops@example.com",
            "SubnetIds": "subnet-a,subnet-b",
            "SecurityGroupIds": "sg-f",
            "WebhooksGroupId": "sg-w",
            "DatabaseResourceId": RESOURCE_ID,
            "DatabaseProxyResourceId": "prx-1",
            "DatabaseHost": "db.internal",
            "DatabaseProxyHost": "proxy.internal",
            "UiOrigins": SITE,
            "AroundTheSite": "Deny",
        }.items()
    )
    assert aws.stacks[NETWORK]["parameters"]["S3PrefixListId"] == S3_PREFIX_LIST
    proxy = {"Stage": STAGE, "DatabaseResourceId": RESOURCE_ID, "ProxyRoleName": "proxy-role"}
    assert aws.stacks[PROXY]["parameters"] == proxy
    # There is no code yet that needs what a migration takes away.
    assert [each.event for each in aws.invocations] == [{"contract": True}]
    web = aws.stacks[WEB]["parameters"]
    assert f"connect-src 'self' {FILES};" in web["ContentSecurityPolicy"]
    assert (web["ApiId"], web["SiteSecretName"]) == ("api123", f"{APP}-site-a1")


def test_the_template_refers_to_the_zip_that_was_uploaded(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    bucket = f"{APP}-artifacts-{NUMBER}"
    ((code, zipped),) = [
        (key, data) for (where, key), data in aws.objects.items() if where == bucket and key.startswith("code/")
    ]
    assert zipped == package.zip.read_bytes()
    template = json.loads(aws.stacks[APP]["body"])
    uris = {function["Properties"]["CodeUri"] for function in functions_of(template).values()}
    assert uris == {f"s3://{bucket}/{code}"}


def test_every_file_that_the_site_refers_to_is_uploaded(aws: FakeAccount, package: Package) -> None:
    aws.objects["page", "components/of-an-earlier-version.js"] = b""
    _deploy(aws, package)
    uploaded = {key: data for (where, key), data in aws.objects.items() if where == "page"}
    referred_to = {"index.html", "api-docs.html"}
    unchecked = list(referred_to)
    while unchecked:
        key = unchecked.pop()
        assert key in uploaded, f"{key} was not uploaded"
        for named in re.findall(
            r"""(?:src|href|from|import)[\s=(]*["'](\.{0,2}[\w./-]+\.\w+)["']""", uploaded[key].decode()
        ):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(key), named))
            if path not in referred_to and not path.startswith("api/"):
                referred_to.add(path)
                unchecked.append(path)
    assert len(referred_to) > 50
    # No hidden files, and no files of an earlier version.
    assert uploaded.pop("webhooks.txt") == (ROOT / "docs/webhooks.md").read_bytes()
    assert sorted(uploaded) == sorted(
        file.relative_to(ROOT / "web").as_posix()
        for file in (ROOT / "web").rglob("[!.]*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
    )
    # Browsers run modules only with this type. They must not mix a page with the scripts of another version.
    assert aws.properties["page", "pages/import.js"]["ContentType"] == "text/javascript; charset=utf-8"
    assert {each["CacheControl"] for (where, _), each in aws.properties.items() if where == "page"} == {"no-cache"}
    written = [key for where, key in aws.properties if where == "page"]
    assert written[-1] == "index.html"


def test_deploying_again_changes_no_stack(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package, InstanceClass="db.r8g.large")
    before = json.dumps(aws.stacks, sort_keys=True)
    aws.actions.clear()
    _deploy(aws, package)
    # A parameter that was set the first time keeps its value.
    assert json.dumps(aws.stacks, sort_keys=True) == before
    assert aws.actions == [f"INVOKE {MIGRATE}", f"INVOKE {MIGRATE}"]


def test_a_custom_upload_origin_is_kept(aws: FakeAccount, package: Package) -> None:
    custom = "https://import.example.com"
    _deploy(aws, package, UiOrigins=custom)
    _deploy(aws, package)
    assert aws.stacks[APP]["parameters"]["UiOrigins"] == custom


def test_until_the_site_is_there_no_page_may_upload_and_the_api_needs_no_secret(
    aws: FakeAccount, package: Package
) -> None:
    aws.failing_stack = WEB
    with pytest.raises(StackFailed):
        _deploy(aws, package)
    app = aws.stacks[APP]["parameters"]
    assert app["UiOrigins"] == deployment.NO_ORIGIN
    # CloudFront does not send it yet: an existing site would stop working for the minutes until it does.
    assert app["AroundTheSite"] == "Allow"


def test_uploads_follow_the_site_to_another_domain(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    aws.outputs_after[WEB] = {**OUTPUTS[WEB], "SiteUrl": "https://shop.example"}
    _deploy(aws, package, DomainName="shop.example", CertificateArn="arn:aws:acm:us-east-1:1:certificate/1")
    assert aws.stacks[APP]["parameters"]["UiOrigins"] == "https://shop.example"


def test_a_deployment_can_leave_the_api_open_to_calls_around_the_site(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    _deploy(aws, package, AroundTheSite="Allow")
    assert aws.stacks[APP]["parameters"]["AroundTheSite"] == "Allow"
    _deploy(aws, package)
    assert aws.stacks[APP]["parameters"]["AroundTheSite"] == "Deny"


def test_the_secret_that_cloudfront_sends_is_not_replaced_before_it_sends_the_other(
    aws: FakeAccount, package: Package
) -> None:
    _deploy(aws, package)
    stacks, objects = json.dumps(aws.stacks, sort_keys=True), dict(aws.objects)
    for unsafe in ({"SiteSecretA": "2"}, {"SiteSecretA": "2", "SiteSecretB": "2", "SiteSecret": "B"}):
        aws.actions.clear()
        with pytest.raises(SecretInUse, match=r"SiteSecretA=2 .*'SiteSecretB=2 SiteSecret=B'\. Then set SiteSecretA"):
            _deploy(aws, package, **unsafe)
        assert (aws.actions, json.dumps(aws.stacks, sort_keys=True), aws.objects) == ([], stacks, objects)
    _deploy(aws, package, SiteSecretA="1")  # It is the present one.
    aws.outputs_after[APP] = {**OUTPUTS[APP], "SiteSecretName": f"{APP}-site-b2"}
    _deploy(aws, package, SiteSecretB="2", SiteSecret="B")
    _deploy(aws, package, SiteSecretA="2")
    with pytest.raises(SecretInUse, match=r"SiteSecretB=3 .*'SiteSecretA=3 SiteSecret=A'"):
        _deploy(aws, package, SiteSecretB="3")


def test_without_the_proxy_all_functions_connect_to_the_database(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    _deploy(aws, package, WithProxy="false")
    parameters = aws.stacks[APP]["parameters"]
    assert (parameters["DatabaseProxyHost"], parameters["DatabaseProxyResourceId"]) == ("", "")
    assert PROXY not in aws.stacks
    # It adds a policy to the IAM role of the proxy, which the database stack deletes.
    assert aws.actions.index(f"DELETE {PROXY}") < aws.actions.index(f"UPDATE {DATABASE}")


def test_an_unknown_parameter_is_refused_before_anything_is_changed(aws: FakeAccount, package: Package) -> None:
    with pytest.raises(UnknownParameters, match=r"parameter: AlarmMail, MultiAZ\. Valid names: .*AlarmEmail.*MultiAz"):
        _deploy(aws, package, MultiAZ="true", AlarmMail="ops@example.com")
    assert (aws.actions, aws.objects) == ([], {})


def test_a_change_of_outputs_only_is_deployed(aws: FakeAccount, package: Package) -> None:
    aws.changes_listed = False
    _deploy(aws, package)
    assert f"CREATE {WEB}" in aws.actions


def test_a_failed_stack_gives_its_reason_and_ends_the_deployment(aws: FakeAccount, package: Package) -> None:
    aws.failing_stack = DATABASE
    with pytest.raises(StackFailed, match=rf"{DATABASE} failed:\nDatabase: no capacity\nFix the cause"):
        _deploy(aws, package)
    assert APP not in aws.stacks


def test_a_stack_whose_creation_failed_is_created_again(aws: FakeAccount, package: Package) -> None:
    aws.stacks[NETWORK] = {"status": "ROLLBACK_COMPLETE", "parameters": {}, "body": ""}
    _deploy(aws, package)
    assert aws.actions[:2] == [f"DELETE {NETWORK}", f"CREATE {NETWORK}"]


def test_a_stack_with_an_operation_in_progress_is_left_alone(aws: FakeAccount, package: Package) -> None:
    aws.stacks[NETWORK] = {"status": "UPDATE_IN_PROGRESS", "parameters": {}, "body": ""}
    with pytest.raises(StackFailed, match=rf"{NETWORK} is being changed .*\(UPDATE_IN_PROGRESS\)"):
        _deploy(aws, package)
    assert aws.actions == []


def test_a_failed_migration_ends_the_deployment(aws: FakeAccount, package: Package) -> None:
    aws.migration_fails = True
    with pytest.raises(MigrationFailed, match=r"The migration failed\. .*no database"):
        _deploy(aws, package)
    assert WEB not in aws.stacks


def test_a_migration_is_awaited_for_its_whole_time_limit_and_never_invoked_twice(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: dict[str, Config | None] = {}
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, REGION)
    real_client = boto3.client

    def client(service: str, config: Config | None = None) -> object:
        configs[service] = config
        return _Sts() if service == "sts" else real_client(service, config=config)  # type: ignore[call-overload]

    monkeypatch.setattr("infra.deploy.stacks.boto3.client", client)
    lambda_config = Account.from_credentials().lambda_.meta.config
    assert package.functions["migrate"]["Timeout"] < INVOCATION_SECONDS_MAX == lambda_config.read_timeout
    assert lambda_config.retries["total_max_attempts"] == 1


class _Sts:
    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": NUMBER}


def test_destroy_deletes_the_last_stack_first_and_can_be_repeated(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    aws.actions.clear()
    for _ in range(2):
        deployment.destroy(aws.account, STAGE, STAGE)
    deleted = [f"DELETE {name}" for name in (WEB, PROXY, APP)]
    assert aws.actions == [*deleted, f"UNPROTECT {APP}", f"DELETE {DATABASE}", f"DELETE {NETWORK}"]
    assert not [key for where, key in aws.objects if where == "page"]


@pytest.mark.parametrize("part", STANDALONE_PARTS)
def test_a_stage_whose_stacks_would_clash_with_another_is_refused(
    part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name_of(f"{STAGE}-{part}", "app") == name_of(STAGE, part)
    assert deployment.main(["destroy", f"{STAGE}-{part}"]) == 1
    assert f"choose a name without -{part}" in capsys.readouterr().err
    assert packaging.main([f"{STAGE}-{part}"]) == 1


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2"])
def test_presigned_links_begin_with_the_origin_that_the_site_may_connect_to(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b", config=config)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "files", "Key": "k"})
    assert url.startswith(f"{s3_origin(region)}/files/k?")


def test_the_site_may_connect_to_the_bucket_of_its_stage(aws: FakeAccount, package: Package) -> None:
    bucket = package.of_type("AWS::S3::Bucket")["Files"]
    name = bucket["BucketName"]["Fn::Sub"].replace("${Stage}", STAGE).replace("${AWS::AccountId}", NUMBER)
    assert deployment.upload_url(aws.account, STAGE) == f"{s3_origin(REGION)}/{name}/"


def test_a_region_without_certificate_authorities_is_refused_before_anything_is_created(
    aws: FakeAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = aws.account
    account.region = "xx-nowhere-1"
    monkeypatch.setattr(Account, "from_credentials", lambda: account)
    assert deployment.main(["deploy", STAGE]) == 1
    assert (
        "databases in xx-nowhere-1 is unknown: run `python -m infra.deploy.rds_authorities`" in capsys.readouterr().err
    )
    assert aws.actions == []


@pytest.mark.parametrize(
    "arguments", [[], ["deploy"], ["remove", "dev"], ["deploy", "dev", "AlarmEmail"], ["deploy", "dev", "=x"]]
)
def test_wrong_arguments_print_an_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        deployment.main(arguments)
    assert ended.value.code == 2
    assert "Example: make deploy STAGE=dev" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(deployment.OWN_PARAMETERS))
def test_a_parameter_that_the_deployment_sets_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert deployment.main(["deploy", STAGE, f"{name}=other"]) == 1
    assert f"PARAMETERS must not contain {name}" in capsys.readouterr().err


def test_every_parameter_is_set_by_the_deployment_or_has_a_default(package: Package) -> None:
    """A new parameter that connects two stacks has to be added to those that users cannot set."""
    templates = [
        json.loads((package.zip.parent / packaging.TEMPLATE).read_text("utf-8")),
        *(yaml.safe_load(deployment.template_of(part)) for part in STANDALONE_PARTS),
    ]
    declared = {name: body for template in templates for name, body in template["Parameters"].items()}
    outputs = {name for template in templates for name in template.get("Outputs", {})}
    connecting = {name for name, body in declared.items() if "Default" not in body} | (outputs & declared.keys())
    # SecurityGroupIds is empty by default, for emulators that run functions outside of a network. FormerPasswords says
    # what is deployed already.
    assert connecting | {"Stage", "SecurityGroupIds", "FormerPasswords"} == deployment.OWN_PARAMETERS
