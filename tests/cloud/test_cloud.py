"""The packaged zip and template, deployed to an emulator of AWS that enforces their policies.

templates.py lists what the emulator lacks and how the templates differ for it.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from standardwebhooks import Webhook as Verifier

from chalicelib.backends.credentials import RDS_AUTHORITIES
from chalicelib.backends.sealing import KMS_FORMAT
from chalicelib.limits import CHUNK_BYTES
from infra.deploy.every_function import OWNER
from infra.local.processes.deadline import wait_until
from infra.local.processes.ports import LOOPBACK
from tests.cloud.certificates import Authority
from tests.cloud.deployed import STACK, Deployed
from tests.support.exported import rows_of
from tests.support.hook_server import hook_server
from tests.support.sample_files import assignment_like, reference
from tests.support.sequential_model import key_of

ROWS, WORDS_MAX = 45_000, 20
"""Enough rows for several chunks."""
SEEN_SECONDS_MAX = 60
PROBE = """
import importlib.util, sys
def handler(event, context):
    return {"path": sys.path, "found": [name for name in event if importlib.util.find_spec(name)]}
"""


def test_every_resource_of_the_template_was_created(cloud: Deployed) -> None:
    listed = cloud.deployer.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    created = {each["LogicalResourceId"] for page in listed for each in page["StackResourceSummaries"]}
    wanted = {name for name, each in cloud.template["Resources"].items() if "Condition" not in each}
    assert len(wanted) > 100
    assert wanted - created == set()


def test_migrations_are_run_only_once(cloud: Deployed) -> None:
    assert cloud.query("select count(*) as migrations from schema_migration") != [{"migrations": 0}]
    answer = cloud.run("migrate")
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"applied": [], "reports": [], "finished": True}


def test_a_file_is_imported_and_its_products_are_exported(cloud: Deployed) -> None:
    content = assignment_like(ROWS, words_max=WORDS_MAX)
    expected, size_bytes = reference(content), len(content.encode())

    ended = cloud.wait_for_end(f"/imports/{cloud.upload(content.encode())}")

    assert (ended["status"], ended["rows"]["total"]) == ("completed", ROWS)
    assert ended["rows"]["created"] == len(expected)
    [counted] = cloud.query("select count(*) as chunks from chunk")
    assert counted["chunks"] > size_bytes // CHUNK_BYTES >= 2
    page = cloud.json("GET", "/products?limit=200")
    assert page["total"] == len(expected)
    assert len(page["items"]) == 200
    for each in page["items"]:
        assert expected[key_of(each["sku"])] == (each["sku"], each["name"], each["description"], each["active"])

    export = cloud.wait_for_end(f"/exports/{cloud.json('POST', '/exports', {})['id']}")
    assert export["status"] == "completed", export
    rows = rows_of(cloud.fetch("GET", export["download"]["url"]).content)
    assert sorted(rows) == sorted([sku, name, text, "true"] for sku, name, text, _ in expected.values())


def test_files_are_accessible_only_with_signed_links(cloud: Deployed) -> None:
    content = b"sku,name\nL-1,one\n"
    link = cloud.json("POST", "/imports", {"filename": "x.csv", "size_bytes": len(content)})["upload"]
    altered = link["url"].replace("uploads/", "uploads/another-")
    for url in (altered, link["url"].partition("?")[0]):
        assert cloud.fetch("PUT", url, data=content, headers=link["headers"]).status_code == 403
    assert cloud.fetch("PUT", link["url"], data=content, headers=link["headers"]).status_code == 200
    # A second upload does not replace the file.
    assert cloud.fetch("PUT", link["url"], data=content, headers=link["headers"]).status_code == 412


def test_files_that_a_client_drops_are_imported_in_the_order_of_their_versions(cloud: Deployed) -> None:
    bucket = cloud.deployer.cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId="Files")
    s3, key = cloud.account.client("s3"), "uploads/spring/dropped ü.csv"
    put = [
        s3.put_object(
            Bucket=bucket["StackResourceDetail"]["PhysicalResourceId"], Key=key, Body=b"sku,name\nDROP-1,%d\n" % number
        )["VersionId"]
        for number in range(3)
    ]

    def completed() -> list[str]:
        statement = (
            "select object_version from import where status = 'completed' and object_key = '{}' order by operation"
        )
        return [row["object_version"] for row in cloud.query(statement.format(key))]

    wait_until(lambda: len(completed()) == len(put), SEEN_SECONDS_MAX, "the dropped files are imported")
    assert completed() == put
    (product,) = cloud.json("GET", "/products?sku=DROP-1")["items"]
    assert product["name"] == "2"
    assert cloud.call("DELETE", f"/products/{product['id']}").status_code == 204


def test_a_webhook_is_delivered_and_its_secret_is_sealed_with_kms(cloud: Deployed) -> None:
    with hook_server() as receiver:
        wanted = {"url": receiver.url(), "events": ["product.created"]}
        webhook = cloud.json("POST", "/webhooks", wanted)
        product = cloud.json("POST", "/products", {"sku": "HOOK-1", "name": "A hook"})

        # Delivery is at least once, so there may be more than one.
        assert receiver.wait_for(lambda received: bool(received), SEEN_SECONDS_MAX)
        delivery = receiver.received[0]
        event: Any = Verifier(webhook["secret"]).verify(delivery.body, dict(delivery.headers))
        assert (event["type"], event["data"]["id"]) == ("product.created", product["id"])

        stored = cloud.query("select secret from webhook")
        assert [bytes(each["secret"][:1]) for each in stored] == [KMS_FORMAT]
        assert cloud.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204


def test_policies_are_enforced(cloud: Deployed) -> None:
    roles = cloud.deployer.cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId="ApiHandlerRole")
    role = roles["StackResourceDetail"]["PhysicalResourceId"]
    statement = {"Effect": "Deny", "Action": "kms:GenerateDataKey", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.account.client("iam")
    wanted = {"url": "http://127.0.0.1:1/hook", "events": ["product.deleted"]}

    iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    try:
        refused = cloud.call("POST", "/webhooks", wanted)
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="deny")

    assert refused.status_code == 500, refused.text
    assert "kms:GenerateDataKey" in cloud.account.logs()
    webhook = cloud.json("POST", "/webhooks", wanted)
    assert cloud.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204


def test_functions_can_import_only_their_package(cloud: Deployed) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("probe.py", PROBE)
    name = "probe"
    role = cloud.deployer.lambda_.get_function(FunctionName=f"{STACK}-sweep")["Configuration"]["Role"]
    cloud.deployer.lambda_.create_function(
        FunctionName=name,
        Runtime=f"{cloud.template['Resources']['APIHandler']['Properties']['Runtime']}",
        Role=role,
        Handler="probe.handler",
        Code={"ZipFile": package.getvalue()},
    )
    sought = ["chalicelib", "functions", "infra", "app", "boto3", "botocore", "psycopg", "ministack", "yaml", "json"]
    answer = cloud.deployer.lambda_.invoke(FunctionName=name, Payload=json.dumps(sought))
    result = json.loads(answer["Payload"].read())
    assert result["found"] == ["json"], result
    assert not [each for each in result["path"] if "site-packages" in each or "dist-packages" in each]


def test_the_database_accepts_only_encrypted_connections(cloud: Deployed) -> None:
    assert cloud.database.front.encrypted > 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(cloud.database.conninfo(OWNER), sslmode="disable"))


def test_functions_connect_only_to_the_server_with_the_certificate(cloud: Deployed, tmp_path: Path) -> None:
    database = cloud.database
    of_another_address = database.authority.certificate(LOOPBACK)
    of_another_authority = Authority(tmp_path, "another").certificate(database.host)
    # Each migration opens a connection.
    for shown, complaint in (
        (of_another_address, "does not match host name"),
        (of_another_authority, "certificate verify failed"),
    ):
        with database.front.presenting(shown.server_context()):
            answer = cloud.run("migrate")
        assert "FunctionError" in answer
        assert complaint in answer["Payload"].read().decode()
    assert "FunctionError" not in cloud.run("migrate")


def test_the_packaged_authorities_trust_only_rds(cloud: Deployed) -> None:
    for trusted in (RDS_AUTHORITIES, cloud.account.certificate.authority):
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            psycopg.connect(cloud.database.conninfo(OWNER, sslrootcert=str(trusted)))
    psycopg.connect(cloud.database.conninfo(OWNER)).close()


def test_a_bulk_delete_deletes_all_products(cloud: Deployed) -> None:
    cloud.json("POST", "/products", {"sku": "LAST-1", "name": "The last one"})
    accepted = cloud.json("POST", "/bulk-deletes", {"confirm": "DELETE ALL"})
    ended = cloud.wait_for_end(f"/bulk-deletes/{accepted['id']}")
    assert ended["status"] == "completed"
    assert ended["deleted"] > 0
    assert cloud.json("GET", "/products")["total"] == 0
