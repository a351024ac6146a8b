"""What every function of the template gets, and the template's last touches.

Chalice names functions in camel case and lets CloudFormation choose the physical names. Here each gets the name that
app.py gives it, because log groups, policies and alarms speak of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.deploy.gateway_responses import gateway_responses

FUNCTION = "AWS::Serverless::Function"
API_FUNCTION = "APIHandler"
API = "RestAPI"
PLACEHOLDER_BODY = "DefinitionBody"
ALARM_PERIOD_SECONDS = 60
ERRORS_MAX = 3
"""So many errors in five minutes are worth waking somebody: single ones are tried again."""
ALARM_PERIODS = 5
REFUSES_BY_FAILING = ("authorize",)
"""Whoever sends wrong tokens would ring. What fails there by our fault is answered 5xx, and the API's alarm rings."""


def finish(template: dict[str, Any], stage: str) -> dict[str, Any]:
    """The template as it is deployed."""
    shared = template.pop("Globals")["Function"]
    resources = template["Resources"]
    for logical, function in sorted(functions_of(template).items()):
        name = name_of(logical)
        properties = function["Properties"]
        properties["FunctionName"] = _sub(f"product-importer-${{Stage}}-{name}")
        properties.update({key: value for key, value in shared.items() if key != "Environment"})
        variables = {**shared["Environment"]["Variables"], **properties["Environment"]["Variables"]}
        properties["Environment"] = {"Variables": variables}
        # The group exists before the function writes into it: else Lambda would make one that is kept for ever.
        function["DependsOn"] = f"{logical}Logs"
        resources.update(_surroundings(logical, name))
    api = resources[API]["Properties"]
    body = api[PLACEHOLDER_BODY]
    body["x-amazon-apigateway-gateway-responses"] = gateway_responses()
    # Metrics go by this name.
    body["info"]["title"] = _sub("product-importer-${Stage}")
    # Where none is named, SAM makes a second stage called «Stage», which nothing throttles.
    template["Globals"] = {"Api": {"OpenApiVersion": body["swagger"]}}
    template["Parameters"]["Stage"].update({"Default": stage, "AllowedValues": [stage]})
    template["Description"] = f"Product Importer, stage {stage}: functions, API, queues and files."
    return template


def functions_of(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every function of a template by its logical name."""
    return {name: each for name, each in template["Resources"].items() if each["Type"] == FUNCTION}


def name_of(logical: str) -> str:
    """The name in app.py of a function with Chalice's logical name: `SplitUpload` is `split_upload`."""
    return "api" if logical == API_FUNCTION else re.sub(r"(?<!^)(?=[A-Z])", "_", logical).lower()


def _surroundings(logical: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    group = _sub(f"/aws/lambda/product-importer-${{Stage}}-{name}")
    yield (
        f"{logical}Logs",
        {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group, "RetentionInDays": {"Ref": "LogDays"}}},
    )
    if name not in REFUSES_BY_FAILING:
        yield f"{logical}ErrorsAlarm", _alarm(name, "Errors", ERRORS_MAX, "fails again and again: look at its log")
    yield (
        f"{logical}ThrottlesAlarm",
        _alarm(name, "Throttles", 0, "is refused by Lambda: raise the account's concurrency"),
    )


def _alarm(name: str, metric: str, more_than: int, what: str) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{name} {what}",
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
