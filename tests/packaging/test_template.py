"""Rules for the whole template, including everything that is added to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.telemetry import MEASURES, log
from functions.logs import NAMESPACE
from infra.deploy import packaging
from infra.deploy.errors import PackagingFailed
from infra.deploy.gateway_responses import gateway_responses
from infra.deploy.stacks import STANDALONE_PARTS
from infra.project import ROOT
from infra.site_files import security_headers
from tests.packaging.conftest import STAGE, Package
from tests.support.log_lines import caught

DEPLOY = ROOT / "infra" / "deploy"
DEAD_DAYS = 14
VISIBILITY_FACTOR = 6
LINT_SECONDS_MAX = 120
STANDALONE = tuple(f"{part}.yml" for part in STANDALONE_PARTS)
ENVIRONMENT = {"STAGE", "FILES_BUCKET", "DATABASE_HOST", "DATABASE_USER", "CHUNK_CONCURRENCY"}
API_GATEWAY_STATUSES = {
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
"""API Gateway's default status for each response type (its developer guide, "Gateway response types")."""


def _value(package: Package, value: Any) -> Any:
    """Returns a value; for a reference to a parameter, the parameter's default."""
    match value:
        case {"Ref": name}:
            return package.template["Parameters"][name]["Default"]
    return value


def _queues(package: Package) -> dict[str, dict[str, Any]]:
    return package.of_type("AWS::SQS::Queue")


def test_cfn_lint_finds_nothing(package: Package, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps(package.template))
    lint = Path(sys.executable).with_name("cfn-lint")
    files = [template, *(DEPLOY / name for name in STANDALONE)]
    completed = subprocess.run([lint, "--", *files], capture_output=True, text=True, timeout=LINT_SECONDS_MAX)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_every_work_queue_has_a_dead_letter_queue(package: Package) -> None:
    queues = _queues(package)
    dead = {name for name in queues if name.endswith("Dead")}
    assert len(dead) == len(queues) - len(dead) == 8
    for name in set(queues) - dead:
        redrive = queues[name]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}Dead", "Arn"]}
        # The sweep sends what wakes the relay and the senders again; nothing else repeats the rest.
        assert _value(package, redrive["maxReceiveCount"]) == (5 if name in ("Events", "Deliveries") else 100)
    for name in dead:
        assert queues[name]["MessageRetentionPeriod"] == DEAD_DAYS * 24 * 3600
        assert "RedrivePolicy" not in queues[name]


def test_visibility_time_out_is_six_times_the_functions_time_out(package: Package) -> None:
    by_name = {each["QueueName"]["Fn::Sub"].replace("${Stage}", STAGE): each for each in _queues(package).values()}
    checked = 0
    for function in package.functions.values():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = by_name[event["Properties"]["Queue"]["Fn::Sub"].rpartition(":")[2]]
                assert _value(package, queue["VisibilityTimeout"]) >= VISIBILITY_FACTOR * function["Timeout"]
                assert event["Properties"]["BatchSize"] == 1
                assert _value(package, event["Properties"]["ScalingConfig"]["MaximumConcurrency"]) >= 2
                checked += 1
    assert checked == 13


def test_everything_at_rest_is_encrypted(package: Package) -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in _queues(package).values())
    bucket = package.of_type("AWS::S3::Bucket")["Files"]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert all(key["EnableKeyRotation"] is True for key in package.of_type("AWS::KMS::Key").values())
    (topic,) = package.of_type("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == {"Ref": "AlarmsKey"}


def test_alarms_may_use_the_key_of_their_topic(package: Package) -> None:
    """With SNS's own key, an alarm would change its state and notify nobody."""
    key = package.of_type("AWS::KMS::Key")["AlarmsKey"]
    (statement,) = [each for each in key["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


def test_every_log_group_can_have_a_key_and_has_an_end(package: Package) -> None:
    network = yaml.safe_load((DEPLOY / "network.yml").read_text("utf-8"))["Resources"].values()
    groups = list(package.of_type("AWS::Logs::LogGroup").values())
    groups += [each["Properties"] for each in network if each["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == len(package.functions) + 2
    for group in groups:
        assert group["RetentionInDays"] == {"Ref": "LogDays"}
        assert group["KmsKeyId"] == {"Fn::If": ["HasLogKey", {"Ref": "LogKeyArn"}, {"Ref": "AWS::NoValue"}]}


def test_bucket_is_private_versioned_cleaned_up_and_requires_tls(package: Package) -> None:
    bucket = package.of_type("AWS::S3::Bucket")["Files"]
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
    policy = package.of_type("AWS::S3::BucketPolicy")["FilesPolicy"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Files", "Arn"]}, {"Fn::Sub": "${Files.Arn}/*"}]


def test_irreplaceable_resources_are_retained(package: Package) -> None:
    for name in ("Files", "WebhookKey"):
        resource = package.template["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_each_function_gets_the_settings_it_needs_and_no_secrets(package: Package) -> None:
    for name, function in package.functions.items():
        variables = function["Environment"]["Variables"]
        assert set(variables) >= ENVIRONMENT
        assert variables["STAGE"] == STAGE
        # There are no secrets, and no references to any: functions log in to the database with tokens of IAM.
        assert not [each for each in variables if "PASSWORD" in each or "SECRET" in each or each.endswith("_URL")]
        assert ("WEBHOOK_KMS_KEY_ID" in variables) == (name in {"api", "deliver_webhook"})
        pooled = name in {"api", "authorize", "relay_events", "deliver_webhook"}
        assert ("DATABASE_POOLED" in variables) == pooled
        assert function["VpcConfig"]["Fn::If"][0] == "InNetwork"
        assert function["Tracing"] == {"Ref": "Tracing"}


def test_every_function_has_a_name_a_log_with_retention_and_alarms(package: Package) -> None:
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


def test_every_alarm_sends_a_notification_and_every_work_queue_is_watched(package: Package) -> None:
    alarms = package.of_type("AWS::CloudWatch::Alarm")
    assert all(alarm["AlarmActions"] == [{"Ref": "Alarms"}] for alarm in alarms.values())
    aged = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms.values()
        if alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
        for dimension in alarm["Dimensions"]
    }
    assert aged == {name for name in _queues(package) if not name.endswith("Dead")}
    # The dead-letter queues without a consumer.
    assert {"EventsDeadAlarm", "DeliveriesDeadAlarm", "FailedImportsAlarm"} <= set(alarms)


def test_the_alarm_for_failed_imports_watches_the_metric_that_functions_log(package: Package) -> None:
    alarm = package.of_type("AWS::CloudWatch::Alarm")["FailedImportsAlarm"]
    with caught() as lines:
        log("import failed", measured={"ImportsFailed": 1})
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


def test_dashboard_is_json_and_shows_every_work_queue(package: Package) -> None:
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


def test_api_gateway_responds_with_problems_too(package: Package) -> None:
    body = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    assert responses == gateway_responses()
    for response in responses.values():
        problem = json.loads(response["responseTemplates"]["application/json"])
        assert str(problem["status"]) == response["statusCode"]
        assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
        assert response["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    # A type without its own response has the default's body but keeps its own status: the two must agree.
    for kind, status in API_GATEWAY_STATUSES.items():
        assert kind in responses or responses[f"DEFAULT_{status[0]}XX"]["statusCode"] == status, kind


def test_the_apis_alarm_uses_the_name_in_its_metrics(package: Package) -> None:
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
    # Without this version, SAM would create a second stage that has no throttling.
    assert package.template["Globals"] == {"Api": {"OpenApiVersion": "2.0"}}


def test_routes_are_below_api_and_only_health_and_openapi_are_public(package: Package) -> None:
    api = package.template["Resources"]["RestAPI"]["Properties"]
    assert api["StageName"] == "api"
    paths = api["DefinitionBody"]["paths"]
    public_routes = {
        path for path, methods in paths.items() for method in methods.values() if not method.get("security")
    }
    assert public_routes == {"/health", "/openapi.json"}


def test_site_has_the_headers_that_the_local_stack_sends() -> None:
    web = yaml.safe_load((DEPLOY / "web.yml").read_text("utf-8"))["Resources"]
    config = web["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    sent = {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "X-Content-Type-Options": "nosniff" if security["ContentTypeOptions"] else None,
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        **{item["Header"]: item["Value"] for item in config["CustomHeadersConfig"]["Items"]},
    }
    # This header contains the address of the bucket, so it is a parameter. infra/deploy/deployment.py sets it.
    assert sent == {**dict(security_headers("https://s3")), "Content-Security-Policy": {"Ref": "ContentSecurityPolicy"}}


def test_a_package_can_be_deployed_only_to_its_own_stage(package: Package) -> None:
    stage = package.template["Parameters"]["Stage"]
    assert (stage["Default"], stage["AllowedValues"]) == (STAGE, [STAGE])


def test_contradicting_template_parts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("one.yml", "Resources: {Q: {Type: A}}"), ("two.yml", "Resources: {Q: {Type: B}}")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(packaging, "TEMPLATES", (tmp_path / "one.yml", tmp_path / "two.yml"))
    with pytest.raises(PackagingFailed, match=r"two.yml: Resources: Q: Type has another value"):
        packaging.merged_templates()
