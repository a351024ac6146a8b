"""Who may call the API, and what is logged of each request, also of those that reach no function."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access import tokens
from functions import bearer
from infra.deploy.deployment import template_of
from tests.packaging.conftest import Package

WRITTEN_BY_CALLERS = ("user_agent", "path", "caller")
"""Fields with texts that a caller, or the name of a token, determines."""
SCHEMES = st.lists(st.booleans(), min_size=6, max_size=6).map(
    lambda upper: "".join(each.upper() if up else each for each, up in zip("bearer", upper, strict=True))
)
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=20, max_size=80)


def _expression(package: Package) -> str:
    definitions = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"]
    return str(definitions["authorize"]["x-amazon-apigateway-authorizer"]["identityValidationExpression"])


def _expected(header: str) -> str | None:
    """The rule again, in other words."""
    scheme, _, rest = header.partition(" ")
    token = rest.strip(" ")
    is_token = len(token) >= 20 and all("!" <= each <= "~" for each in token)
    return token if is_token and scheme in _spellings("bearer") else None


def _spellings(word: str) -> set[str]:
    return {"".join(letters) for letters in itertools.product(*((each, each.upper()) for each in word))}


def test_api_gateway_asks_the_authorizer_about_every_valid_token(package: Package) -> None:
    expression = re.compile(_expression(package))

    @given(SCHEMES, st.integers(1, 3), TOKENS | st.builds(tokens._new), st.integers(0, 2))
    def check(scheme: str, before: int, token: str, after: int) -> None:
        tokens.check_strength(token)
        header = scheme + " " * before + token + " " * after
        assert expression.search(header)
        assert bearer.bearer_token(header) == token

    check()


def test_api_gateway_and_the_authorizer_refuse_the_same_headers(package: Package) -> None:
    expression = re.compile(_expression(package))

    @given(
        st.builds(
            "{}{}{}".format,
            SCHEMES | st.text(max_size=8) | st.just("Bearer"),
            st.sampled_from([" ", "  ", "", "\t", "\n", "\u00a0"]),
            TOKENS | st.text(max_size=30) | st.text("!~ \n\u0130ſé", min_size=18, max_size=24),
        )
    )
    def check(header: str) -> None:
        assert bearer.bearer_token(header) == _expected(header)
        if not header.endswith("\n"):  # Python's $ also matches before it. No header ends with it.
            assert (expression.search(header) is None) == (_expected(header) is None)

    check()


@pytest.mark.parametrize("token", ["x" * 19, "with a space in the middle", "ä" * 20, "twenty characters\n and"])
def test_a_token_that_a_header_cannot_contain_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="a token "):
        tokens.check_strength(token)


def _policy(package: Package) -> list[dict[str, Any]]:
    api = package.template["Resources"]["RestAPI"]["Properties"]
    # SAM deploys the API again when the policy changes only if it is here, with its parameters replaced.
    assert "x-amazon-apigateway-policy" not in api["DefinitionBody"]
    statements: list[dict[str, Any]] = api["Auth"]["ResourcePolicy"]["CustomStatements"]
    return statements


def test_requests_that_do_not_come_through_cloudfront_are_refused(package: Package) -> None:
    allowed, around = _policy(package)
    for each in (allowed, around):
        assert (each["Principal"], each["Action"], each["Resource"]) == ("*", "execute-api:Invoke", "execute-api:/*")
    assert (allowed["Effect"], "Condition" in allowed) == ("Allow", False)
    assert around["Effect"] == {"Ref": "AroundTheSite"}
    (operator, condition) = next(iter(around["Condition"].items()))
    # StringNotEquals is also true for a request without the header.
    assert (operator, list(condition)) == ("StringNotEquals", ["aws:Referer"])
    assert [each["Fn::Sub"] for each in condition["aws:Referer"]] == [
        f"{{{{resolve:secretsmanager:{name}}}}}" for name in _secret_names(package)
    ]
    assert package.template["Parameters"]["AroundTheSite"]["Default"] == "Allow"


def _secret_names(package: Package) -> list[str]:
    secrets = package.of_type("AWS::SecretsManager::Secret")
    assert set(secrets) <= set(package.template["Resources"]["RestAPI"]["DependsOn"])
    for secret in secrets.values():
        # Letters and digits only: the value becomes a header.
        assert secret["GenerateSecretString"] == {"PasswordLength": 64, "ExcludePunctuation": True}
    return [secrets[name]["Name"]["Fn::Sub"] for name in ("FirstSiteSecret", "SecondSiteSecret")]


def test_cloudfront_sends_one_of_the_secrets_that_the_api_accepts(package: Package) -> None:
    condition, first, second = package.template["Outputs"]["SiteSecretName"]["Value"]["Fn::If"]
    assert package.template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "SiteSecret"}, "A"]}
    assert [first["Fn::Sub"], second["Fn::Sub"]] == _secret_names(package)
    # A new number is a new secret. Only one has to change at a time.
    assert "${SiteSecretA}" in first["Fn::Sub"]
    assert "${SiteSecretB}" in second["Fn::Sub"]


def test_every_request_is_logged_with_the_address_and_the_reason(package: Package) -> None:
    setting = package.template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]
    line = package.access_log
    assert set(line.values()) >= {
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.sourceIp",
        "$context.httpMethod",
        "$context.path",
        "$context.status",
        "$context.error.responseType",
        "$context.authorizer.error",
        "$context.authorizer.principalId",
        "$context.responseLatency",
        "$context.identity.userAgent",
    }
    # Texts of callers come first: of two fields with one name, readers of JSON take the last.
    assert tuple(line)[: len(WRITTEN_BY_CALLERS)] == WRITTEN_BY_CALLERS
    (group,) = [
        each
        for name, each in package.of_type("AWS::Logs::LogGroup").items()
        if setting["DestinationArn"]["Fn::GetAtt"] == [name, "Arn"]
    ]
    assert group["RetentionInDays"] == {"Ref": "LogDays"}


def test_the_access_log_contains_no_tokens_and_no_searches(package: Package) -> None:
    text = package.template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]["Format"]
    for secret in ("header", "querystring", "authorizer.integration", "Authorization", "apiKey", "referer"):
        assert secret.lower() not in text.lower()


def test_api_gateway_may_write_logs(package: Package) -> None:
    """Without this setting of the account, a stage with an access log cannot be created."""
    resources = package.template["Resources"]
    (account,) = [name for name, each in resources.items() if each["Type"] == "AWS::ApiGateway::Account"]
    assert account in resources["RestAPI"]["DependsOn"]
    role = resources[account]["Properties"]["CloudWatchRoleArn"]["Fn::GetAtt"][0]
    (statement,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    # The setting is the whole account's: other APIs must not lose their logs with this stage.
    assert {resources[name]["DeletionPolicy"] for name in (account, role)} == {"Retain"}


def test_the_api_needs_tls_1_2(package: Package) -> None:
    api = package.template["Resources"]["RestAPI"]["Properties"]
    assert api["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2_")
    assert template_of("web").count("OriginSSLProtocols: [TLSv1.2]") == 1
