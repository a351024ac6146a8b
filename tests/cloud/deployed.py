"""The packaged application, deployed to an emulated account by what `make deploy` deploys with."""

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

from chalicelib.backends.database import Database as Connection
from infra.deploy import deployment, packaging, stacks
from infra.deploy.dependencies import cache_directory
from infra.deploy.stacks import Account
from infra.local.aws import ACCOUNT_ID, REGION, forget_personal_settings
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK
from infra.project import ROOT
from tests.cloud.certificates import Authority
from tests.cloud.database import Database, database
from tests.cloud.emulated_account import EmulatedAccount, emulated_account
from tests.cloud.templates import MEANT_FOR_THE_REST, application_template, database_template, gateway_responses
from tests.support.log_lines import Line
from tests.support.silence import silent

STAGE = "local"
STACK = f"product-importer-{STAGE}"
API_STAGE = "api"
STACK_POLL_SECONDS = 0.1
ANSWER_SECONDS_MAX = 60.0
END_SECONDS_MAX = 120.0
COMMAND_SECONDS_MAX = 120.0
RUNNING = {"pending", "processing"}


@dataclass(frozen=True)
class Deployed:
    """The application as its users reach it, and what is behind it."""

    account: EmulatedAccount
    deployer: Account
    database: Database
    owner: dict[str, str]
    """Username and password, from the secret."""
    template: dict[str, Any]
    """What CloudFormation was given."""
    outputs: dict[str, str]
    """What it told."""
    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """A request through API Gateway, with the token unless another Authorization is given."""
        address = f"{self.account.url}/restapis/{self.outputs['RestAPIId']}/{API_STAGE}/_user_request_{path}"
        return self.fetch(method, address, json=body, headers={"Authorization": f"Bearer {self.token}", **headers})

    def fetch(self, method: str, url: str, **options: Any) -> requests.Response:
        """A request to any address of the account, such as a presigned link."""
        trusted = str(self.account.certificate.authority)
        return requests.request(method, url, verify=trusted, timeout=ANSWER_SECONDS_MAX, **options)

    def accepted(self, method: str, path: str, body: Any = None) -> Any:
        """What a request that must be accepted answers."""
        answer = self.call(method, path, body)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json()

    def upload(self, content: bytes, filename: str = "products.csv") -> str:
        """Registers a file and sends it by its presigned link. Returns the id of the import."""
        registered = self.accepted("POST", "/imports", {"filename": filename, "size_bytes": len(content)})
        self.put(registered["upload"], content)
        return str(registered["id"])

    def put(self, link: dict[str, Any], content: bytes) -> None:
        """Sends a file by a presigned link."""
        answer = self.fetch(link["method"], link["url"], data=content, headers=link["headers"])
        assert answer.status_code == 200, answer.text

    def ended(self, path: str) -> dict[str, Any]:
        """An import, export or bulk delete when it is over. Raises TookTooLong."""
        seen: list[dict[str, Any]] = []

        def is_over() -> bool:
            seen.append(self.accepted("GET", path))
            return seen[-1]["status"] not in RUNNING

        wait_until(is_over, END_SECONDS_MAX, f"{path} ended")
        return seen[-1]

    def run(self, function: str, event: Any = None) -> dict[str, Any]:
        """Invokes a function, by its name in app.py."""
        name = f"{STACK}-{function}"
        answer: dict[str, Any] = self.deployer.lambda_.invoke(FunctionName=name, Payload=json.dumps(event or {}))
        return answer

    def queue_url(self, queue: str) -> str:
        """Where a queue is, by its short name."""
        return str(self.account.client("sqs").get_queue_url(QueueName=f"{STACK}-{queue}")["QueueUrl"])

    def lines(self, function: str) -> list[Line]:
        """What a function has logged, by its name in app.py; without the tracebacks that the runtime adds."""
        messages = self.account.log_messages(f"/aws/lambda/{STACK}-{function}")
        return [json.loads(each) for each in messages if each.startswith("{")]

    def passwords(self) -> list[str]:
        """Of all roles of the database, from their secrets."""
        vault = self.account.client("secretsmanager")
        secrets = [vault.get_secret_value(SecretId=each["ARN"]) for each in vault.list_secrets()["SecretList"]]
        return [json.loads(each["SecretString"])["password"] for each in secrets]

    def execute(self, statement: str) -> None:
        """Carries out what the owner of the database may do."""
        with psycopg.connect(self.database.conninfo(self.owner), autocommit=True) as connection:
            connection.execute(statement.encode())

    def query(self, statement: str) -> list[dict[str, Any]]:
        """What the owner of the database finds."""
        connection = Connection(self.database.conninfo(self.owner))
        try:
            return connection.connection().execute(statement.encode()).fetchall()
        finally:
            connection.close()


@contextmanager
def deployed(directory: Path) -> Iterator[Deployed]:
    """Package, emulator, database, stacks, migration and a token: everything, as long as it is needed."""
    forget_personal_settings()
    certificate = Authority(directory, "AWS").certificate(LOOPBACK)
    with ExitStack() as cleanup:
        logbook = LogBook(directory / "logs", silent)
        cleanup.callback(logbook.close)
        running = cleanup.enter_context(database(directory, logbook))
        # Last of all, so that it is stopped first: functions hold connections.
        account = cleanup.enter_context(emulated_account(directory / "emulator", certificate, logbook))
        try:
            made = _deploy(directory, account, running)
        except Exception as error:
            error.add_note(account.logs())
            raise
        yield made


def _deploy(directory: Path, account: EmulatedAccount, running: Database) -> Deployed:
    deployer = Account(
        ACCOUNT_ID,
        REGION,
        cloudformation=account.client("cloudformation"),
        s3=account.client("s3"),
        lambda_=account.client("lambda"),
        cloudfront=account.client("cloudfront"),
        poll_seconds=STACK_POLL_SECONDS,
    )
    out = packaging.package(STAGE, directory / "out", cache_directory())
    packaged = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    template = application_template(packaged, running.authority.file)
    (out / packaging.TEMPLATE).write_text(json.dumps(template), "utf-8")

    artifacts = deployment.ensure_artifacts_bucket(deployer, STAGE)
    known = {"Stage": STAGE}
    body = database_template(deployment.text_of("database"))
    secrets = stacks.apply(deployer, STAGE, "database", body, {**known, **MEANT_FOR_THE_REST})
    vault = account.client("secretsmanager")
    # On AWS `Ref` gives a secret's ARN; the emulator gives its name.
    known |= {output: vault.describe_secret(SecretId=name)["ARN"] for output, name in secrets.items()}
    owner = json.loads(vault.get_secret_value(SecretId=known["OwnerSecretArn"])["SecretString"])
    running.hand_over(owner)
    known["DatabaseHost"] = running.host

    body = deployment.uploaded_template(deployer, artifacts, out)
    outputs = stacks.apply(deployer, STAGE, "app", body, known, artifacts)
    _tell_gateway_responses(account, outputs["RestAPIId"], template)
    deployment.migrate(deployer, STAGE)
    made = terminal(account, "create", "cloud test", "--scope", "admin")
    assert made.returncode == 0, made.stderr
    return Deployed(account, deployer, running, owner, template, outputs, made.stdout.strip())


def _tell_gateway_responses(account: EmulatedAccount, api: str, template: dict[str, Any]) -> None:
    gateway = account.client("apigateway")
    for kind, answer in gateway_responses(template).items():
        gateway.put_gateway_response(restApiId=api, responseType=kind, **answer)
    # They hold from the next deployment of the API on.
    gateway.create_deployment(restApiId=api, stageName=API_STAGE)


def terminal(account: EmulatedAccount, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What somebody at a terminal gets who manages the stage's tokens."""
    command = [sys.executable, "-m", "infra.tokens", "--stage", STAGE, *arguments]
    environment = {**os.environ, **account.environment()}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False
    )
