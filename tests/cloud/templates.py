"""In what the templates differ that go to the emulator. Everything that is not named here goes in as it is deployed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from infra.deploy.every_function import functions_of, name_of

NOT_EMULATED = {
    "Subnets": "there is no network",
    "Parameters": "the embedded PostgreSQL has settings of its own",
    "Database": "the embedded PostgreSQL takes its place: RDS would need Docker",
    "ProxyRole": "there is no proxy",
    "Proxy": "the emulator does not know it; so infra/deploy/proxy.yml is left out too",
}
"""What is left out of infra/deploy/database.yml, and why. Of it only the two secrets remain."""
MEANT_FOR_THE_REST = {"SubnetIds": "none", "DatabaseGroupId": "none"}
"""Parameters that only resources use which are left out."""
ASKED_FOR_BESIDES = {"sqs:SendMessage": "sqs:SendMessageBatch"}
"""AWS asks for the first when messages are sent in a batch; the emulator for the name of the call."""
SENDS_TO_THIS_MACHINE = ("api", "deliver_webhook")
"""Functions that look at the addresses of webhooks: the receiver is on this machine."""
WEBHOOK_ALLOW_CIDRS = "127.0.0.0/8"


def database_template(text: str) -> str:
    """infra/deploy/database.yml without what is not emulated."""
    template: dict[str, Any] = yaml.safe_load(text)
    for name in NOT_EMULATED:
        del template["Resources"][name]
    for name, output in list(template["Outputs"].items()):
        if any(f'"{left_out}"' in json.dumps(output) for left_out in NOT_EMULATED):
            del template["Outputs"][name]
    return json.dumps(template)


def application_template(packaged: dict[str, Any], database_authority: Path) -> dict[str, Any]:
    """The packaged template of the stage `local`, as the emulator gets it. The database is not one of RDS."""
    template = copy.deepcopy(packaged)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"]["Policies"]:
                _ask_for_besides(policy["PolicyDocument"]["Statement"])
    for logical, function in functions_of(template).items():
        function["Properties"]["Environment"]["Variables"]["DATABASE_CA_FILE"] = str(database_authority)
        if name_of(logical) in SENDS_TO_THIS_MACHINE:
            function["Properties"]["Environment"]["Variables"]["WEBHOOK_ALLOW_CIDRS"] = WEBHOOK_ALLOW_CIDRS
    return template


def gateway_responses(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What API Gateway answers by itself. AWS finds it in the description of the API; the emulator has to be told."""
    described: dict[str, Any] = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    found: dict[str, dict[str, Any]] = described["x-amazon-apigateway-gateway-responses"]
    return found


def _ask_for_besides(statements: list[dict[str, Any]]) -> None:
    for statement in statements:
        actions = statement["Action"]
        actions += [besides for action, besides in ASKED_FOR_BESIDES.items() if action in actions]
