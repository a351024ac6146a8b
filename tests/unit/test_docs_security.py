"""docs/security.md agrees with the code, and judges every requirement of the ASVS once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml
from chalice.app import SQSEventConfig

import app
from chalicelib import limits
from chalicelib.access import tokens
from chalicelib.settings import Settings
from chalicelib.webhooks import signatures
from tests.support.asvs import REQUIREMENTS, VERSION
from tests.support.markdown import ROOT, links, read, rows, spans

PAGE = read(ROOT / "docs/security.md")
FLAT = " ".join(PAGE.split())
PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "not applicable"
ASVS = "ASVS 5.0, level 2"
TEMPLATES = sorted((ROOT / "infra").rglob("*.yml"))
REVIEWED = """
2.4.1 3.4.1 4.2.1 5.2.1 5.2.3 5.4.3 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 8.2.1 8.2.2 8.2.3 11.1.1 11.1.2 12.1.1
13.2.1 13.2.2 13.2.4 13.2.5 14.3.2 15.1.1 15.1.2 15.2.1 15.2.2 16.2.5 16.3.1 16.3.2
"""
"""What a review of the source by an attacker's means found failing: each is fixed now, or accepted with a reason."""
NUMBER = re.compile(r"\d+\.\d+\.\d+")
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY|DATABASE_URL")


def requirements() -> Iterator[tuple[str, str, str]]:
    """Each requirement with its verdict and the reason."""
    for numbers, _, verdict, reason in rows(PAGE, ASVS):
        yield from ((number, verdict, reason) for number in numbers.split(", "))


VERDICTS = {number: verdict for number, verdict, _ in requirements()}


# --- the table of requirements ------------------------------------------------------------------------------------


def test_every_requirement_is_judged_once() -> None:
    judged = [number for number, _, _ in requirements()]
    assert sorted(judged) == sorted(REQUIREMENTS)
    assert f"version {VERSION}" in FLAT


def test_every_verdict_is_one_of_three_and_the_text_counts_them() -> None:
    counted = Counter(VERDICTS.values())
    assert set(counted) == {PASS, FAIL, NOT_APPLICABLE}
    assert f"{counted.total()} requirements of the levels 1 and 2" in FLAT
    sentence = f"{counted[PASS]} pass, {counted[FAIL]} fail, {counted[NOT_APPLICABLE]} are not applicable."
    assert f"**{sentence}**" in FLAT


def test_what_passes_names_a_file_or_a_section_and_what_fails_is_accepted_with_a_reason() -> None:
    for number, verdict, reason in requirements():
        files = [span for span in spans(reason) if (ROOT / span).is_file()]
        if verdict == PASS:
            assert files or links(reason), number
        if verdict == FAIL:
            assert "(#what-is-not-protected)" in reason, number


def test_every_file_of_tests_that_is_named_has_tests() -> None:
    named = {span for span in spans(PAGE) if span.startswith("tests/")}
    assert len(named) > 50
    for path in named:
        assert re.search(r"^def test_", read(ROOT / path), re.MULTILINE), path


def test_exactly_the_failing_requirements_are_accepted_risks() -> None:
    accepted = [number for *_, fails in rows(PAGE, "What is not protected") for number in NUMBER.findall(fails)]
    assert sorted(accepted) == sorted(number for number, verdict in VERDICTS.items() if verdict == FAIL)


@pytest.mark.parametrize("number", REVIEWED.split())
def test_what_a_review_found_failing_is_fixed_or_accepted(number: str) -> None:
    assert VERDICTS[number] in (PASS, FAIL)


def test_every_attack_has_a_test() -> None:
    table = rows(PAGE, "Attacks that the tests repeat")
    assert table
    for attack, named in table:
        assert [span for span in spans(named) if (ROOT / span).is_file()] == spans(named) != [], attack


# --- secrets and keys ---------------------------------------------------------------------------------------------


def configured_secrets() -> set[str]:
    """The settings of functions, of the local stack and of the containers that hold a secret, or name its place."""
    of_functions = {name.upper() for name in Settings.model_fields}
    of_the_stack = set(re.findall(r'"([A-Z_]+)"', read(ROOT / "infra/local/options.py")))
    of_containers = set(re.findall(r"[A-Z_]+", read(ROOT / "docker-compose.yml")))
    return {name for name in of_functions | of_the_stack | of_containers if SECRET.search(name)}


def described(section: str) -> set[str]:
    """What the tables of a section name."""
    return {span for row in rows(PAGE, section) for cell in row for span in spans(cell)}


def test_it_says_how_to_rotate_every_secret() -> None:
    assert {"API_TOKEN", "POSTGRES_PASSWORD", "WEBHOOK_KEY_FILE", "OWNER_DATABASE_URL"} <= configured_secrets()
    assert configured_secrets() <= described("Rotating secrets")
    places = {"webhook.key", "passwords.json", "compose.env", "stack.json"}
    assert {f"{tokens.PREFIX}…", f"{signatures.PREFIX}…", *places} <= described("Rotating secrets")


def declared(kind: str) -> set[str]:
    """The names of the resources of a kind in all templates."""
    every = [(yaml.safe_load(read(file)) or {}).get("Resources", {}) for file in TEMPLATES]
    return {name for each in every for name, resource in each.items() if resource.get("Type") == kind}


def test_every_secret_and_every_key_of_a_template_is_described() -> None:
    secrets, keys = declared("AWS::SecretsManager::Secret"), declared("AWS::KMS::Key")
    assert secrets | keys
    assert secrets <= described("Rotating secrets")
    assert keys <= described("Keys and algorithms")
    assert not declared("AWS::IAM::AccessKey"), "an access key does not change by itself"


# --- names and numbers --------------------------------------------------------------------------------------------


def test_every_line_of_a_security_event_is_logged() -> None:
    sources = "".join(read(file) for folder in ("functions", "chalicelib") for file in (ROOT / folder).rglob("*.py"))
    lines = [span for _, *line in rows(PAGE, "Logs") for span in spans(line[0]) if len(line) == 1 and " " in span]
    assert "request refused" in lines
    for line in lines:
        assert re.search(rf'log\(\s*"{line}"', sources), line


def test_numbers_are_those_of_the_code() -> None:
    queues = {each.name: each for each in app.app.event_sources if isinstance(each, SQSEventConfig)}
    defaults = {
        name: each.get("Default")
        for file in TEMPLATES
        for name, each in (yaml.safe_load(read(file)) or {}).get("Parameters", {}).items()
    }
    assert limits.UPLOAD_EXPIRES_SECONDS == 3600
    for statement in (
        f"{8 * tokens.TOKEN_BYTES} random bits",
        f"have at least {tokens.TOKEN_CHARACTERS_MIN} characters",
        f"download a version within {limits.DOWNLOAD_EXPIRES_SECONDS // 60} minutes",
        f"{defaults['FilesDays']} days (`FilesDays`)",
        f"{defaults['LogDays']} days (`LogDays`)",
        f"{defaults['BackupDays']} days (`BackupDays`)",
        f"{limits.IDEMPOTENCY_KEY_SECONDS // 3600} hours",
        f"events, deliveries, what receivers responded | {limits.EVENTS_KEPT_DAYS} days",
        f"up to {limits.FILE_BYTES_MAX // limits.GIB} GiB",
        f"{queues['split_upload'].maximum_concurrency} files are split",
        f"{queues['upsert_chunk'].maximum_concurrency} chunks written at a time",
        f"{queues['export_products'].maximum_concurrency} run at a time",
        f"{limits.WEBHOOK_CONNECT_SECONDS_MAX} s for the name",
    ):
        assert statement in FLAT, statement
