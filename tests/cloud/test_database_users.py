"""Which database roles a deployed function may log in as: its own, and no other."""

from __future__ import annotations

from urllib.parse import parse_qs

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chalicelib.backends.roles import FUNCTION_ROLES, ROLES
from infra.deploy.every_function import OWNER
from infra.local.aws import ACCOUNT_ID, REGION
from tests.cloud.deployed import RESOURCE_ID, STACK, Deployed

USERS = [*FUNCTION_ROLES, OWNER]


def _role_of(function: str) -> str:
    return OWNER if function == "migrate" else ROLES[function]


@pytest.mark.parametrize("function", [*ROLES, "migrate"])
def test_the_policy_of_a_function_allows_its_own_database_role(function: str, cloud: Deployed) -> None:
    name = f"{STACK}-{'api' if function == 'api_handler' else function}"
    role = cloud.deployer.lambda_.get_function(FunctionName=name)["Configuration"]["Role"]
    allowed = [user for user in USERS if _is_allowed(cloud, role, user)]
    assert allowed == [_role_of(function)]


def _is_allowed(cloud: Deployed, role: str, user: str) -> bool:
    # The emulator looks at the first resource of a request only.
    simulated = cloud.account.client("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["rds-db:connect"],
        ResourceArns=[f"arn:aws:rds-db:{REGION}:{ACCOUNT_ID}:dbuser:{RESOURCE_ID}/{user}"],
    )
    (result,) = simulated["EvaluationResults"]
    return bool(result["EvalDecision"] == "allowed")


def test_functions_have_logged_in_as_their_roles_with_tokens(cloud: Deployed) -> None:
    tokens = [parse_qs(token.partition("?")[2]) for token in cloud.database.front.logins.tokens]
    # The API, its authorizer, migrations and tokens have been used by now.
    assert {each["DBUser"][0] for each in tokens} >= {"api", "authorizer", "token_manager", OWNER}


def test_a_token_for_another_user_is_refused(cloud: Deployed) -> None:
    of_another = make_conninfo(cloud.database.conninfo("api"), user="token_manager")
    with pytest.raises(psycopg.OperationalError, match="PAM authentication failed"):
        psycopg.connect(of_another)
