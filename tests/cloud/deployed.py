"""The packaged application, deployed to an emulated account by the code of `make deploy`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from chalicelib.backends.database import Database as Connection
from infra.deploy import deployment, packaging, stacks
from infra.deploy.artifacts import ensure_artifacts_bucket
from infra.deploy.dependencies import cache_directory
from infra.deploy.every_function import OWNER
from infra.deploy.stacks import Account
from infra.local.aws import ACCOUNT_ID, REGION, forget_personal_settings
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK
from infra.project import ROOT
from tests.cloud.certificates import Authority
from tests.cloud.database import Database, database
from tests.cloud.emulated_account import EmulatedAccount, emulated_account
from tests.cloud.templates import application_template, gateway_responses
from tests.support.log_lines import Line
from tests.support.silence import silent

STAGE = "local"
STACK = f"product-importer-{STAGE}"
API_STAGE = "api"
RESOURCE_ID = "db-EMULATED"
"""The resource id of the database, which policies name it with."""
STACK_POLL_SECONDS = 0.1
RESPONSE_SECONDS_MAX = 60.0
END_SECONDS_MAX = 120.0
COMMAND_SECONDS_MAX = 120.0
RUNNING = {"pending", "processing"}


@dataclass(frozen=True)
class Deployed:
    """The deployed application, as its users reach it, and its account and database."""

    account: EmulatedAccount
    deployer: Account
    database: Database
    template: dict[str, Any]
    """The template that CloudFormation deployed."""
    outputs: dict[str, str]
    """The outputs of that stack."""
    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Sends a request through API Gateway, with the token unless `headers` has another Authorization."""
        address = f"{self.account.url}/restapis/{self.outputs['RestAPIId']}/{API_STAGE}/_user_request_{path}"
        return self.fetch(method, address, json=body, headers={"Authorization": f"Bearer {self.token}", **headers})

    def fetch(self, method: str, url: str, **options: Any) -> requests.Response:
        """Sends a request to any URL of the account, such as a presigned link."""
        trusted = str(self.account.certificate.authority)
        return requests.request(method, url, verify=trusted, timeout=RESPONSE_SECONDS_MAX, **options)

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request that must succeed. Returns the JSON of its response."""
        response = self.call(method, path, body)
        assert response.ok, (method, path, response.status_code, response.text)
        return response.json()

    def upload(self, content: bytes, filename: str = "products.csv") -> str:
        """Registers a file and uploads it with its presigned link. Returns the id of the import."""
        registered = self.json("POST", "/imports", {"filename": filename, "size_bytes": len(content)})
        self.put(registered["upload"], content)
        return str(registered["id"])

    def put(self, link: dict[str, Any], content: bytes) -> None:
        """Uploads a file with a presigned link."""
        response = self.fetch(link["method"], link["url"], data=content, headers=link["headers"])
        assert response.status_code == 200, response.text

    def wait_for_end(self, path: str) -> dict[str, Any]:
        """Waits until an import, export or bulk delete has ended. Returns its last state. Raises TookTooLong."""
        seen: list[dict[str, Any]] = []

        def has_ended() -> bool:
            seen.append(self.json("GET", path))
            return seen[-1]["status"] not in RUNNING

        wait_until(has_ended, END_SECONDS_MAX, f"{path} ended")
        return seen[-1]

    def run(self, function: str, event: Any = None) -> dict[str, Any]:
        """Invokes a function, by its name in app.py. Returns Lambda's response."""
        name = f"{STACK}-{function}"
        response: dict[str, Any] = self.deployer.lambda_.invoke(FunctionName=name, Payload=json.dumps(event or {}))
        return response

    def queue_url(self, queue: str) -> str:
        """Returns the URL of a queue, by its short name."""
        return str(self.account.client("sqs").get_queue_url(QueueName=f"{STACK}-{queue}")["QueueUrl"])

    def lines(self, function: str) -> list[Line]:
        """Returns the log lines of a function, by its name in app.py; without tracebacks that the runtime adds."""
        messages = self.account.log_messages(f"/aws/lambda/{STACK}-{function}")
        return [json.loads(each) for each in messages if each.startswith("{")]

    def execute(self, statement: str) -> None:
        """Executes a statement as a superuser of the database."""
        with psycopg.connect(self.database.superuser_conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Returns the rows of a query by a superuser of the database."""
        connection = Connection(self.database.superuser_conninfo)
        try:
            return connection.connection().cursor(row_factory=dict_row).execute(statement.encode()).fetchall()
        finally:
            connection.close()


@contextmanager
def deployed(directory: Path) -> Iterator[Deployed]:
    """Runs everything until the block ends: emulator, database, the deployed stacks, and a token."""
    forget_personal_settings()
    certificate = Authority(directory, "AWS").certificate(LOOPBACK)
    with ExitStack() as cleanup:
        logbook = LogBook(directory / "logs", silent)
        cleanup.callback(logbook.close)
        running = cleanup.enter_context(database(directory, logbook))
        # Started last, so that it is stopped first: functions hold database connections.
        account = cleanup.enter_context(emulated_account(directory / "emulator", certificate, logbook))
        try:
            running_application = _deploy(directory, account, running)
        except Exception as error:
            error.add_note(account.logs() + "\n--- postgres ---\n" + logbook.tail("postgres"))
            raise
        yield running_application


def _deploy(directory: Path, account: EmulatedAccount, database: Database) -> Deployed:
    deployer = Account(
        ACCOUNT_ID,
        REGION,
        cloudformation=account.client("cloudformation"),
        s3=account.client("s3"),
        lambda_=account.client("lambda"),
        cloudfront=account.client("cloudfront"),
        ec2=account.client("ec2"),
        rds=account.client("rds"),
        logs=account.client("logs"),
        poll_seconds=STACK_POLL_SECONDS,
    )
    out = packaging.package(STAGE, directory / "out", cache_directory())
    packaged = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    template = application_template(packaged, database.authority.file)
    (out / packaging.TEMPLATE).write_text(json.dumps(template), "utf-8")

    artifacts = ensure_artifacts_bucket(deployer, STAGE)
    database.create_owner(OWNER)
    values = {"Stage": STAGE, "DatabaseHost": database.host, "DatabaseResourceId": RESOURCE_ID}

    body = deployment.uploaded_template(deployer, artifacts, out)
    outputs = stacks.apply(deployer, STAGE, "app", body, values, artifacts)
    _put_gateway_responses(account, outputs["RestAPIId"], template)
    deployment.migrate(deployer, STAGE)
    created = run_tokens(account, "create", "cloud test", "--scope", "admin")
    assert created.returncode == 0, created.stderr
    return Deployed(account, deployer, database, template, outputs, created.stdout.strip())


def _put_gateway_responses(account: EmulatedAccount, api: str, template: dict[str, Any]) -> None:
    gateway = account.client("apigateway")
    for kind, response in gateway_responses(template).items():
        gateway.put_gateway_response(restApiId=api, responseType=kind, **response)
    # They take effect with the next deployment of the API.
    gateway.create_deployment(restApiId=api, stageName=API_STAGE)


def run_tokens(account: EmulatedAccount, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of `make token` for the stage."""
    command = [sys.executable, "-m", "infra.tokens", "--stage", STAGE, *arguments]
    environment = {**os.environ, **account.environment()}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False
    )
