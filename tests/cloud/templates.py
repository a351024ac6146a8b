"""The differences between the application's template for the emulator and the one for AWS.

The emulator has no networks, RDS would need Docker, and it does not support RDS Proxy. So infra/deploy/network.yml,
database.yml and proxy.yml are not deployed; database.py is in place of RDS.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from infra.deploy.every_function import functions_of, name_of

ALSO_REQUIRED = {"sqs:SendMessage": "sqs:SendMessageBatch"}
"""To send a batch, AWS requires the first permission, the emulator the second (named after the call)."""
UNKNOWN_CONDITION = "kms:EncryptionContext:context"
"""The emulator does not pass to policies in which context a key is used, so it would refuse every use."""
SENDS_TO_THIS_MACHINE = ("api", "deliver_webhook")
"""Functions that check the addresses of webhooks. They have to allow this machine, where the receiver is."""
WEBHOOK_ALLOW_CIDRS = "127.0.0.0/8"


def application_template(packaged: dict[str, Any], database_authority: Path) -> dict[str, Any]:
    """Returns the packaged template, changed for the emulator and for a database that is not RDS's."""
    template = copy.deepcopy(packaged)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", []):
                _add_required_actions(policy["PolicyDocument"]["Statement"])
                _remove_unknown_condition(policy["PolicyDocument"]["Statement"])
        for event in resource["Properties"].get("Events", {}).values():
            _put_number(event["Properties"].get("ScalingConfig", {}), "MaximumConcurrency", template["Parameters"])
    for logical, function in functions_of(template).items():
        function["Properties"]["Environment"]["Variables"]["DATABASE_CA_FILE"] = str(database_authority)
        if name_of(logical) in SENDS_TO_THIS_MACHINE:
            function["Properties"]["Environment"]["Variables"]["WEBHOOK_ALLOW_CIDRS"] = WEBHOOK_ALLOW_CIDRS
    return template


def gateway_responses(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns API Gateway's own responses. AWS reads them from the API's definition; the emulator does not."""
    definition: dict[str, Any] = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    responses: dict[str, dict[str, Any]] = definition["x-amazon-apigateway-gateway-responses"]
    return responses


def _put_number(properties: dict[str, Any], name: str, parameters: dict[str, Any]) -> None:
    """Puts a parameter's default in place of a reference: the emulator resolves it to text, AWS to a number."""
    if isinstance(properties.get(name), dict):
        properties[name] = int(parameters[properties[name]["Ref"]]["Default"])


def _remove_unknown_condition(statements: list[dict[str, Any]]) -> None:
    for statement in statements:
        if UNKNOWN_CONDITION in statement.get("Condition", {}).get("StringLike", {}):
            del statement["Condition"]


def _add_required_actions(statements: list[dict[str, Any]]) -> None:
    for statement in statements:
        actions = statement["Action"]
        actions += [required for action, required in ALSO_REQUIRED.items() if action in actions]
