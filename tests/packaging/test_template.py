"""What must hold of the whole template, whoever adds to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.telemetry import MEASURES, tell
from functions.logs import NAMESPACE
from infra.deploy import packaging
from infra.deploy.gateway_responses import gateway_responses
from infra.deploy.packaging import PackagingFailed
from infra.deploy.stacks import BESIDE_APP
from infra.project import ROOT
from infra.site_files import security_headers
from tests.packaging.conftest import STAGE, Package
from tests.support.log_lines import caught

INFRA = ROOT / "infra" / "deploy"
DEAD_DAYS = 14
VISIBILITY_FACTOR = 6
LINT_SECONDS_MAX = 120
STANDALONE = tuple(f"{part}.yml" for part in BESIDE_APP)
ENVIRONMENT = {"STAGE", "FILES_BUCKET", "DATABASE_SECRET_ARN", "DATABASE_HOST"}
STATUSES_OF_API_GATEWAY = {
    **dict.fromkeys(("BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS"), "400"),
    "UNAUTHORIZED": "401",
    **dict.fromkeys(("ACCESS_DENIED", "EXPIRED_TOKEN", "INVALID_API_KEY", "INVALID_SIGNATURE"), "403"),
    **dict.fromkeys(("MISSING_AUTHENTICATION_TOKEN", "WAF_FILTERED"), "403"),
    "RESOURCE_NOT_FOUND": "404",
    "REQUEST_TOO_LARGE": "413",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    **dict.fromkeys(("QUOTA_EXCEEDED", "THROTTLED"), "429"),
    **dict.fromkeys(("API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE"), "500"),
    **dict.fromkeys(("INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"), "504"),
}
"""Of its own answers, from its developer guide, "Gateway response types"."""


def _value(package: Package, value: Any) -> Any:
    """A value with the defaults of parameters put in."""
    match value:
        case {"Ref": name}:
            return package.template["Parameters"][name]["Default"]
    return value


def _queues(package: Package) -> dict[str, dict[str, Any]]:
    return package.of_type("AWS::SQS::Queue")


def test_cfn_lint_has_nothing_to_say(package: Package, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps(package.template))
    lint = Path(sys.executable).with_name("cfn-lint")
    files = [template, *(INFRA / name for name in STANDALONE)]
    done = subprocess.run([lint, "--", *files], capture_output=True, text=True, timeout=LINT_SECONDS_MAX)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_queue_that_is_read_has_a_dead_letter_queue(package: Package) -> None:
    queues = _queues(package)
    dead = {name for name in queues if name.endswith("Dead")}
    assert len(dead) == len(queues) - len(dead) == 6
    for name in set(queues) - dead:
        redrive = queues[name]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}Dead", "Arn"]}
        assert _value(package, redrive["maxReceiveCount"]) == 5
    for name in dead:
        assert queues[name]["MessageRetentionPeriod"] == DEAD_DAYS * 24 * 3600
        assert "RedrivePolicy" not in queues[name]


def test_messages_stay_invisible_for_six_times_their_functions_time_out(package: Package) -> None:
    by_name = {each["QueueName"]["Fn::Sub"].replace("${Stage}", STAGE): each for each in _queues(package).values()}
    read = 0
    for function in package.functions.values():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = by_name[event["Properties"]["Queue"]["Fn::Sub"].rpartition(":")[2]]
                assert _value(package, queue["VisibilityTimeout"]) >= VISIBILITY_FACTOR * function["Timeout"]
                assert event["Properties"]["BatchSize"] == 1
                assert event["Properties"]["ScalingConfig"]["MaximumConcurrency"] >= 2
                read += 1
    assert read == 10


def test_everything_at_rest_is_encrypted(package: Package) -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in _queues(package).values())
    (bucket,) = package.of_type("AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (key,) = package.of_type("AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True


def test_bucket_is_private_versioned_cleaned_up_and_reached_by_tls_alone(package: Package) -> None:
    (bucket,) = package.of_type("AWS::S3::Bucket").values()
    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["abort-incomplete-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert rules["expire-files"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    (policy,) = package.of_type("AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Files", "Arn"]}, {"Fn::Sub": "${Files.Arn}/*"}]


def test_what_cannot_be_made_again_is_kept(package: Package) -> None:
    for name in ("Files", "WebhookKey"):
        resource = package.template["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_functions_know_their_surroundings_and_only_those_that_seal_the_key(package: Package) -> None:
    for name, function in package.functions.items():
        variables = function["Environment"]["Variables"]
        assert set(variables) >= ENVIRONMENT
        assert variables["STAGE"] == STAGE
        # Nothing in the template is a secret: it names where they are.
        assert not [each for each in variables if "PASSWORD" in each or each.endswith("_URL")]
        assert ("WEBHOOK_KMS_KEY_ID" in variables) == (name in {"api", "deliver_webhook"})
        assert ("OWNER_DATABASE_SECRET_ARN" in variables) == (name in {"migrate", "manage_tokens"})
        pooled = name in {"api", "authorize", "relay_events", "deliver_webhook"}
        assert ("DATABASE_POOLED" in variables) == pooled
        assert function["VpcConfig"]["Fn::If"][0] == "InNetwork"
        assert function["Tracing"] == {"Ref": "Tracing"}


def test_every_function_has_a_name_a_log_that_ends_and_two_alarms(package: Package) -> None:
    groups = package.of_type("AWS::Logs::LogGroup")
    alarms = package.of_type("AWS::CloudWatch::Alarm").values()
    for name, function in package.functions.items():
        physical = function["FunctionName"]
        assert physical == {"Fn::Sub": f"product-importer-${{Stage}}-{name}"}
        (group,) = [
            each for each in groups.values() if each["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/{physical['Fn::Sub']}"
        ]
        assert _value(package, group["RetentionInDays"]) == 30
        watched = {
            each["MetricName"]
            for each in alarms
            if {"Name": "FunctionName", "Value": physical} in each.get("Dimensions", [])
        }
        assert watched == ({"Throttles"} if name == "authorize" else {"Errors", "Throttles"})


def test_somebody_is_told(package: Package) -> None:
    alarms = package.of_type("AWS::CloudWatch::Alarm")
    assert all(alarm["AlarmActions"] == [{"Ref": "Alarms"}] for alarm in alarms.values())
    aged = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms.values()
        if alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
        for dimension in alarm["Dimensions"]
    }
    assert aged == {name for name in _queues(package) if not name.endswith("Dead")}
    # Dead-letter queues that no function empties.
    assert {"EventsDeadAlarm", "DeliveriesDeadAlarm", "FailedImportsAlarm"} <= set(alarms)


def test_failed_imports_are_watched_by_the_metric_that_every_function_tells(package: Package) -> None:
    alarm = package.of_type("AWS::CloudWatch::Alarm")["FailedImportsAlarm"]
    with caught() as lines:
        tell("import failed", measured={"ImportsFailed": 1})
    (directive,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert alarm["Namespace"] == directive["Namespace"]
    assert alarm["MetricName"] == directive["Metrics"][0]["Name"]
    assert [each["Name"] for each in alarm["Dimensions"]] == directive["Dimensions"][0]
    assert alarm["Dimensions"][0]["Value"] == {"Ref": "Stage"}
    assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")


def test_tracing_is_one_switch(package: Package) -> None:
    assert package.template["Parameters"]["Tracing"]["Default"] == "Active"
    (api,) = package.of_type("AWS::Serverless::Api").values()
    assert api["TracingEnabled"] == {"Fn::If": ["Traced", True, False]}
    assert package.template["Conditions"]["Traced"] == {"Fn::Equals": [{"Ref": "Tracing"}, "Active"]}


def test_dashboard_is_json_and_speaks_of_every_queue_that_is_read(package: Package) -> None:
    (dashboard,) = package.of_type("AWS::CloudWatch::Dashboard").values()
    text = dashboard["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(text)["widgets"]
    assert len(widgets) == 8
    ours = [each["properties"]["metrics"] for each in widgets if each["properties"]["metrics"][0][0] == NAMESPACE]
    drawn = {metric[1] for metrics in ours for metric in metrics}
    assert len(drawn) == 14
    assert drawn <= set(MEASURES)
    for name in _queues(package):
        assert (f"${{{name}.QueueName}}" in text) == (not name.endswith("Dead"))


def test_api_gateway_answers_problems_too(package: Package) -> None:
    body = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answers = body["x-amazon-apigateway-gateway-responses"]
    assert answers == gateway_responses()
    for answer in answers.values():
        problem = json.loads(answer["responseTemplates"]["application/json"])
        assert str(problem["status"]) == answer["statusCode"]
        assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
        assert answer["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    # What is not described by itself may keep its own status, while its body is the default's.
    for kind, status in STATUSES_OF_API_GATEWAY.items():
        assert kind in answers or answers[f"DEFAULT_{status[0]}XX"]["statusCode"] == status, kind


def test_api_is_watched_by_the_name_that_its_metrics_have(package: Package) -> None:
    alarm = package.of_type("AWS::CloudWatch::Alarm")["ApiAnswersAlarm"]
    title = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["info"]["title"]
    assert alarm["Dimensions"] == [{"Name": "ApiName", "Value": title}]
    assert title == {"Fn::Sub": "product-importer-${Stage}"}
    (dashboard,) = package.of_type("AWS::CloudWatch::Dashboard").values()
    assert f'"ApiName", "{title["Fn::Sub"]}"' in dashboard["DashboardBody"]["Fn::Sub"]


def test_api_is_throttled(package: Package) -> None:
    (setting,) = package.template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]
    assert (setting["ResourcePath"], setting["HttpMethod"]) == ("/*", "*")
    assert _value(package, setting["ThrottlingRateLimit"]) == 100
    assert _value(package, setting["ThrottlingBurstLimit"]) == 200
    # SAM makes a second stage without any setting, unless it is told which specification the body follows.
    assert package.template["Globals"] == {"Api": {"OpenApiVersion": "2.0"}}


def test_routes_stand_below_api_and_none_is_open_but_the_health_and_the_document(package: Package) -> None:
    api = package.template["Resources"]["RestAPI"]["Properties"]
    assert api["StageName"] == "api"
    paths = api["DefinitionBody"]["paths"]
    open_routes = {path for path, methods in paths.items() for method in methods.values() if not method.get("security")}
    assert open_routes == {"/health", "/openapi.json"}


def test_page_has_the_headers_that_the_local_stack_sends() -> None:
    web = yaml.safe_load((INFRA / "web.yml").read_text("utf-8"))["Resources"]
    config = web["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    sent = {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "X-Content-Type-Options": "nosniff" if security["ContentTypeOptions"] else None,
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        **{item["Header"]: item["Value"] for item in config["CustomHeadersConfig"]["Items"]},
    }
    # The one that names S3 is a parameter, which infra/deploy/deployment.py fills in with the same function.
    assert sent == {**dict(security_headers("https://s3")), "Content-Security-Policy": {"Ref": "ContentSecurityPolicy"}}


def test_stage_cannot_be_another_than_the_one_packaged(package: Package) -> None:
    stage = package.template["Parameters"]["Stage"]
    assert (stage["Default"], stage["AllowedValues"]) == (STAGE, [STAGE])


def test_parts_that_contradict_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("one.yml", "Resources: {Q: {Type: A}}"), ("two.yml", "Resources: {Q: {Type: B}}")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(packaging, "TEMPLATES", (tmp_path / "one.yml", tmp_path / "two.yml"))
    with pytest.raises(PackagingFailed, match=r"two.yml: Resources: Q: Type is said twice"):
        packaging.merged()
