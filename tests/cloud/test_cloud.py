"""The very zip and template that are deployed, run by an emulator of AWS that enforces their policies.

What the emulator lacks, and in what the templates differ for it, is named in templates.py.
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
from infra.local.processes.ports import LOOPBACK
from tests.cloud.certificates import Authority
from tests.cloud.deployed import STACK, Deployed
from tests.support.exported import rows_of
from tests.support.hook_server import hook_server
from tests.support.sample_files import assignment_like, reference
from tests.support.sequential_model import key_of

ROWS, WORDS_MAX = 45_000, 20
"""Enough for several chunks."""
SEEN_SECONDS_MAX = 60
PROBE = """
import importlib.util, sys
def handler(event, context):
    return {"path": sys.path, "found": [name for name in event if importlib.util.find_spec(name)]}
"""


def test_everything_in_the_template_was_made(cloud: Deployed) -> None:
    listed = cloud.deployer.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    made = {each["LogicalResourceId"] for page in listed for each in page["StackResourceSummaries"]}
    wanted = {name for name, each in cloud.template["Resources"].items() if "Condition" not in each}
    assert len(wanted) > 100
    assert wanted - made == set()


def test_migrations_ran_and_are_not_run_again(cloud: Deployed) -> None:
    assert cloud.query("select count(*) as migrations from schema_migration") != [{"migrations": 0}]
    answer = cloud.run("migrate")
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"applied": []}


def test_a_file_becomes_products_and_the_products_a_file(cloud: Deployed) -> None:
    content = assignment_like(ROWS, words_max=WORDS_MAX)
    expected, size_bytes = reference(content), len(content.encode())

    ended = cloud.ended(f"/imports/{cloud.upload(content.encode())}")

    assert (ended["status"], ended["rows"]["total"]) == ("completed", ROWS)
    assert ended["rows"]["created"] == len(expected)
    [counted] = cloud.query("select count(*) as chunks from chunk")
    assert counted["chunks"] > size_bytes // CHUNK_BYTES >= 2
    page = cloud.accepted("GET", "/products?limit=200")
    assert page["total"] == len(expected)
    assert len(page["items"]) == 200
    for each in page["items"]:
        assert expected[key_of(each["sku"])] == (each["sku"], each["name"], each["description"], each["active"])

    export = cloud.ended(f"/exports/{cloud.accepted('POST', '/exports', {})['id']}")
    assert export["status"] == "completed", export
    rows = rows_of(cloud.fetch("GET", export["download"]["url"]).content)
    assert sorted(rows) == sorted([sku, name, text, "true"] for sku, name, text, _ in expected.values())


def test_files_are_reached_by_signed_links_alone(cloud: Deployed) -> None:
    content = b"sku,name\nL-1,one\n"
    link = cloud.accepted("POST", "/imports", {"filename": "x.csv", "size_bytes": len(content)})["upload"]
    altered = link["url"].replace("uploads/", "uploads/another-")
    for url in (altered, link["url"].partition("?")[0]):
        assert cloud.fetch("PUT", url, data=content, headers=link["headers"]).status_code == 403
    assert cloud.fetch("PUT", link["url"], data=content, headers=link["headers"]).status_code == 200
    # It does not replace what is there.
    assert cloud.fetch("PUT", link["url"], data=content, headers=link["headers"]).status_code == 412


def test_a_webhook_is_told_and_its_secret_is_sealed_by_kms(cloud: Deployed) -> None:
    with hook_server() as receiver:
        wanted = {"url": receiver.url(), "events": ["product.created"]}
        webhook = cloud.accepted("POST", "/webhooks", wanted)
        product = cloud.accepted("POST", "/products", {"sku": "HOOK-1", "name": "A hook"})

        # At least once: it may come again.
        assert receiver.wait_for(lambda received: bool(received), SEEN_SECONDS_MAX)
        told = receiver.received[0]
        said: Any = Verifier(webhook["secret"]).verify(told.body, dict(told.headers))
        assert (said["type"], said["data"]["id"]) == ("product.created", product["id"])

        stored = cloud.query("select secret from webhook")
        assert [bytes(each["secret"][:1]) for each in stored] == [KMS_FORMAT]
        assert cloud.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204


def test_policies_count(cloud: Deployed) -> None:
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
    webhook = cloud.accepted("POST", "/webhooks", wanted)
    assert cloud.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204


def test_functions_find_nothing_but_their_package(cloud: Deployed) -> None:
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
    told = json.loads(answer["Payload"].read())
    assert told["found"] == ["json"], told
    assert not [each for each in told["path"] if "site-packages" in each or "dist-packages" in each]


def test_the_database_takes_encrypted_connections_alone(cloud: Deployed) -> None:
    assert cloud.database.front.encrypted > 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(cloud.database.conninfo(cloud.owner), sslmode="disable"))


def test_functions_talk_to_no_server_but_the_one_with_the_certificate(cloud: Deployed, tmp_path: Path) -> None:
    database = cloud.database
    elsewhere = database.authority.certificate(LOOPBACK)
    of_a_stranger = Authority(tmp_path, "stranger").certificate(database.host)
    # Each migration opens a connection.
    for shown, complaint in ((elsewhere, "does not match host name"), (of_a_stranger, "certificate verify failed")):
        with database.front.presenting(shown.of_a_server()):
            answer = cloud.run("migrate")
        assert "FunctionError" in answer
        assert complaint in answer["Payload"].read().decode()
    assert "FunctionError" not in cloud.run("migrate")


def test_what_is_deployed_recognises_rds_alone(cloud: Deployed) -> None:
    for trusted in (RDS_AUTHORITIES, cloud.account.certificate.authority):
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            psycopg.connect(cloud.database.conninfo(cloud.owner, sslrootcert=str(trusted)))
    psycopg.connect(cloud.database.conninfo(cloud.owner)).close()


def test_everything_is_deleted_in_the_end(cloud: Deployed) -> None:
    cloud.accepted("POST", "/products", {"sku": "LAST-1", "name": "The last one"})
    accepted = cloud.accepted("POST", "/bulk-deletes", {"confirm": "DELETE ALL"})
    ended = cloud.ended(f"/bulk-deletes/{accepted['id']}")
    assert ended["status"] == "completed"
    assert ended["deleted"] > 0
    assert cloud.accepted("GET", "/products")["total"] == 0
