"""Adds to the template what every function needs: a name, a database role, a log group and alarms.

app.py says how many messages of a queue are handled at a time. For chunks, this is a parameter of the stage.

Chalice names functions in camel case and lets CloudFormation choose the physical names. Here each function gets the
name from app.py, because log groups, policies and alarms refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.backends.roles import ROLES
from functions.bearer import AUTHORIZATION
from infra.deploy.gateway_responses import gateway_responses

FUNCTION = "AWS::Serverless::Function"
API_FUNCTION = "APIHandler"
MIGRATE = "Migrate"
UPSERT_CHUNK = "UpsertChunk"
OWNER = "importer_owner"
"""The database role that owns the tables: MasterUsername in infra/deploy/database.yml."""
API = "RestAPI"
PLACEHOLDER_BODY = "DefinitionBody"
ALARM_PERIOD_SECONDS = 60
ERRORS_MAX = 3
"""More errors than this in five minutes ring the alarm. A single error does not: the invocation is retried."""
ALARM_PERIODS = 5
WITHOUT_ERRORS_ALARM = ("authorize",)
"""It ends with an error for every wrong token. For errors of ours the API answers 5xx, which rings the API's alarm."""


def finish(template: dict[str, Any], stage: str) -> dict[str, Any]:
    """Returns the template as it is deployed. Changes `template`."""
    shared = template.pop("Globals")["Function"]
    resources = template["Resources"]
    for logical, function in sorted(functions_of(template).items()):
        name = name_of(logical)
        properties = function["Properties"]
        properties["FunctionName"] = _sub(f"product-importer-${{Stage}}-{name}")
        own_network = {"VpcConfig": properties["VpcConfig"]} if "VpcConfig" in properties else {}
        properties.update({key: value for key, value in shared.items() if key != "Environment"} | own_network)
        variables = {**shared["Environment"]["Variables"], **properties["Environment"]["Variables"]}
        variables["DATABASE_USER"] = database_role_of(logical)
        properties["Environment"] = {"Variables": variables}
        # The group has to exist before the function writes to it: Lambda would create one that keeps logs for ever.
        function["DependsOn"] = f"{logical}Logs"
        resources.update(_log_group_and_alarms(logical, name))
    for mapping in functions_of(template)[UPSERT_CHUNK]["Properties"]["Events"].values():
        mapping["Properties"]["ScalingConfig"]["MaximumConcurrency"] = {"Ref": "ChunkConcurrency"}
    api = resources[API]["Properties"]
    body = api[PLACEHOLDER_BODY]
    body["x-amazon-apigateway-gateway-responses"] = gateway_responses()
    # A header without anything that could be a token costs no invocation of the authorizer.
    authorizer = body["securityDefinitions"]["authorize"]["x-amazon-apigateway-authorizer"]
    authorizer["identityValidationExpression"] = f"^{AUTHORIZATION}$"
    # The API's metrics have this name as their dimension.
    body["info"]["title"] = _sub("product-importer-${Stage}")
    # Without a version, SAM creates a second stage called "Stage", which has no throttling.
    template["Globals"] = {"Api": {"OpenApiVersion": body["swagger"]}}
    template["Parameters"]["Stage"].update({"Default": stage, "AllowedValues": [stage]})
    template["Description"] = f"Product Importer, stage {stage}: functions, API, queues and files."
    return template


def functions_of(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns every function of a template by its logical id."""
    return {name: each for name, each in template["Resources"].items() if each["Type"] == FUNCTION}


def name_of(logical: str) -> str:
    """Returns the name in app.py of the function with a logical id: `SplitUpload` is `split_upload`."""
    return "api" if logical == API_FUNCTION else re.sub(r"(?<!^)(?=[A-Z])", "_", logical).lower()


def database_role_of(logical: str) -> str:
    """Returns the database role that the function with a logical id logs in as."""
    return OWNER if logical == MIGRATE else ROLES["api_handler" if logical == API_FUNCTION else name_of(logical)]


def _log_group_and_alarms(logical: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    group = _sub(f"/aws/lambda/product-importer-${{Stage}}-{name}")
    yield (
        f"{logical}Logs",
        {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": group,
                "RetentionInDays": {"Ref": "LogDays"},
                "KmsKeyId": {"Fn::If": ["HasLogKey", {"Ref": "LogKeyArn"}, {"Ref": "AWS::NoValue"}]},
            },
        },
    )
    if name not in WITHOUT_ERRORS_ALARM:
        yield f"{logical}ErrorsAlarm", _alarm(name, "Errors", ERRORS_MAX, "keeps failing. Look at its log.")
    yield (
        f"{logical}ThrottlesAlarm",
        _alarm(name, "Throttles", 0, "was throttled by Lambda. Raise the concurrency quota of the account."),
    )


def _alarm(name: str, metric: str, more_than: int, problem: str) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{name} {problem}",
            "Namespace": "AWS/Lambda",
            "MetricName": metric,
            "Dimensions": [{"Name": "FunctionName", "Value": _sub(f"product-importer-${{Stage}}-{name}")}],
            "Statistic": "Sum",
            "Period": ALARM_PERIOD_SECONDS * ALARM_PERIODS,
            "EvaluationPeriods": 1,
            "Threshold": more_than,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "Alarms"}],
        },
    }


def _sub(text: str) -> dict[str, str]:
    return {"Fn::Sub": text}
