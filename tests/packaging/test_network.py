"""Functions reach the database and AWS, and only the one that sends webhooks reaches the internet."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest
import yaml

from chalicelib.webhooks.outbound.post import Outbound
from infra.deploy.deployment import template_of
from tests.packaging import reached_source
from tests.packaging.conftest import Package

TEMPLATE: dict[str, Any] = yaml.safe_load(template_of("network"))
NETWORK, CONDITIONS = TEMPLATE["Resources"], TEMPLATE["Conditions"]
ENDPOINTS = {name: each for name, each in NETWORK.items() if each["Type"] == "AWS::EC2::VPCEndpoint"}
DATABASE_PORT, HTTPS_PORT = 5432, 443
ALL_ADDRESSES, NO_ADDRESS = "0.0.0.0/0", "127.0.0.1/32"
FORMER_RULE = {
    "IpProtocol": "-1",
    "CidrIp": ALL_ADDRESSES,
    "Description": "The database, AWS, and servers of customers",
}
"""The only rule of the release that had passwords. If it differed, CloudFormation would replace it, with a gap."""
SERVICE = "com.amazonaws.${AWS::Region}."


def _egress(group: str) -> set[tuple[str, int | None]]:
    """Returns where a security group allows connections to: group, prefix list or range, and port."""
    own = NETWORK[group]["Properties"]["SecurityGroupEgress"]
    others = [
        each["Properties"]
        for each in NETWORK.values()
        if each["Type"] == "AWS::EC2::SecurityGroupEgress" and each["Properties"]["GroupId"] == {"Ref": group}
    ]
    return {_destination(rule) for rule in [*own, *others]}


def _destination(rule: dict[str, Any]) -> tuple[str, int | None]:
    match rule:
        case {"Fn::If": ["HasPrivateEndpoints", {"Ref": "AWS::NoValue"}, {"CidrIp": str(addresses), "ToPort": port}]}:
            return f"{addresses} without private endpoints", port
        case {"Fn::If": ["HasPasswords", dict(former), {"Ref": "AWS::NoValue"}]}:
            assert former == FORMER_RULE
            return f"{former['CidrIp']} until functions with passwords are replaced", None
        case {"CidrIp": str(addresses)}:
            assert rule.get("FromPort") == rule.get("ToPort")
            return addresses, rule.get("ToPort")
        case {"DestinationPrefixListId": {"Ref": name}} | {"DestinationSecurityGroupId": {"Ref": name}}:
            assert rule["FromPort"] == rule["ToPort"]
            return str(name), rule["ToPort"]
    raise AssertionError(f"unknown form of a rule: {rule}")


def _sends_to_strangers(function: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "post"
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "outbound"
        for _, definition in reached_source.reached(f"functions.{function}")
        for node in ast.walk(definition)
    )


def test_only_functions_that_send_requests_to_strangers_reach_the_internet(package: Package) -> None:
    in_internet = set()
    for name, function in package.functions.items():
        condition, inside, outside = function["VpcConfig"]["Fn::If"]
        assert (condition, outside) == ("InNetwork", {"Ref": "AWS::NoValue"})
        assert inside["SubnetIds"] == {"Ref": "SubnetIds"}
        groups = inside["SecurityGroupIds"]
        if groups != {"Ref": "SecurityGroupIds"}:
            assert groups == [{"Fn::Select": [0, {"Ref": "SecurityGroupIds"}]}, {"Ref": "WebhooksGroupId"}]
            in_internet.add(name)
    assert in_internet == {name for name in package.functions if _sends_to_strangers(name)} == {"deliver_webhook"}


def test_all_functions_reach_only_the_database_and_aws() -> None:
    assert _egress("FunctionsGroup") == {
        ("DatabaseGroup", DATABASE_PORT),
        ("EndpointsGroup", HTTPS_PORT),
        ("S3PrefixListId", HTTPS_PORT),
        (f"{ALL_ADDRESSES} without private endpoints", HTTPS_PORT),
        (f"{ALL_ADDRESSES} until functions with passwords are replaced", None),
    }
    assert CONDITIONS["HasPasswords"] == {"Fn::Equals": [{"Ref": "FormerPasswords"}, "in use"]}


def test_webhooks_reach_only_the_ports_that_they_may_have() -> None:
    ports = inspect.signature(Outbound).parameters["allowed_ports"].default
    assert _egress("WebhooksGroup") == {(ALL_ADDRESSES, port) for port in ports}


def test_nothing_in_the_network_opens_connections_but_functions_and_the_proxy() -> None:
    assert _egress("DatabaseGroup") == {(NO_ADDRESS, None), ("DatabaseGroup", DATABASE_PORT)}
    assert _egress("EndpointsGroup") == {(NO_ADDRESS, None)}


@pytest.mark.parametrize(
    ("group", "port", "sources"),
    [
        ("DatabaseGroup", DATABASE_PORT, {"FunctionsGroup", "DatabaseGroup"}),
        ("EndpointsGroup", HTTPS_PORT, {"FunctionsGroup"}),
        ("FunctionsGroup", None, set()),
        ("WebhooksGroup", None, set()),
    ],
)
def test_only_functions_and_the_proxy_are_let_in(group: str, port: int | None, sources: set[str]) -> None:
    own = NETWORK[group]["Properties"].get("SecurityGroupIngress", [])
    others = [
        each["Properties"]
        for each in NETWORK.values()
        if each["Type"] == "AWS::EC2::SecurityGroupIngress" and each["Properties"]["GroupId"] == {"Ref": group}
    ]
    rules = [*own, *others]
    assert {rule["SourceSecurityGroupId"]["Ref"] for rule in rules} == sources
    assert all((rule["FromPort"], rule["ToPort"]) == (port, port) for rule in rules)


def test_every_aws_service_that_functions_call_has_an_endpoint() -> None:
    called = {
        str(node.args[0].value)
        for file in (reached_source.ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and isinstance(node.args[0], ast.Constant)
    }
    names = {each["Properties"]["ServiceName"]["Fn::Sub"].removeprefix(SERVICE) for each in ENDPOINTS.values()}
    assert "s3" in called
    assert names == called
    for name in ENDPOINTS.keys() - {"S3Endpoint"}:
        endpoint = ENDPOINTS[name]
        assert endpoint["Condition"] == "HasPrivateEndpoints"
        assert endpoint["Properties"]["PrivateDnsEnabled"] is True
        assert endpoint["Properties"]["SecurityGroupIds"] == [{"Ref": "EndpointsGroup"}]


def test_endpoints_accept_only_what_belongs_to_the_stage_or_the_account(package: Package) -> None:
    """Otherwise, code in a function could send data to a bucket or a queue of any other account."""
    for name, endpoint in ENDPOINTS.items():
        (statement,) = endpoint["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}, name
        for arn in _arns(statement["Resource"]):
            assert "${AWS::AccountId}" in arn, name
    bucket = package.of_type("AWS::S3::Bucket")["Files"]["BucketName"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    (statement,) = ENDPOINTS["S3Endpoint"]["Properties"]["PolicyDocument"]["Statement"]
    assert _arns(statement["Resource"]) == [arn, f"{arn}/*"]
    (statement,) = ENDPOINTS["SqsEndpoint"]["Properties"]["PolicyDocument"]["Statement"]
    (pattern,) = _arns(statement["Resource"])
    for queue in package.of_type("AWS::SQS::Queue").values():
        assert queue["QueueName"]["Fn::Sub"].startswith(pattern.rpartition(":")[2].removesuffix("*"))


def _arns(resource: Any) -> list[str]:
    return [str(each["Fn::Sub"]) for each in (resource if isinstance(resource, list) else [resource])]


def test_refused_connections_of_every_private_subnet_are_logged() -> None:
    logged = [each["Properties"]["ResourceId"]["Ref"] for each in NETWORK.values() if each["Type"].endswith("FlowLog")]
    assert sorted(logged) == ["PrivateSubnetA", "PrivateSubnetB"]
    assert yaml.safe_load(template_of("network"))["Parameters"]["FlowLogs"]["Default"] == "REJECT"
    assert NETWORK["Flows"]["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}
