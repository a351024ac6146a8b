"""The numbers in the sentences of the documentation are those of the code; test_docs.py has the table of limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from chalicelib import limits
from chalicelib.limits import GIB, KIB, MIB
from tests.support.markdown import ROOT, read, rows

RESOURCES = ROOT / "infra/resources.yml"
TRIES = yaml.safe_load(read(RESOURCES))["Parameters"]["MaxReceiveCount"]["Default"]
WAITS = [
    min(limits.RETRY_SECONDS_MIN * limits.RETRY_FACTOR**tried, limits.RETRY_SECONDS_MAX) for tried in range(TRIES - 1)
]
RETRIED_HOURS = sum(WAITS) // 3600
QUESTIONS_PER_IMPORT = 3
"""To S3: when the import ends, when its file is gone, when its row is removed."""
STATEMENTS = {
    "architecture.md": [
        f"into chunks of about {limits.CHUNK_BYTES // MIB} MiB",
        f"whenever it has enough text for a part ({limits.EXPORT_PART_BYTES // MIB} MiB)",
        f"only if the statistics show at least {limits.MERGE_ROWS_MIN:,} rows",
        f"about {limits.SAMPLE_PAGES} pages of 8 KiB",
        f"after {limits.WALK_ROWS_MAX:,} products, continues as if rare",
        f"in steps of {limits.INDEX_STEP_ROWS:,} products",
        f"While that is more than {limits.SEARCH_CHANGES_MAX:,} products",
        f"Changes of up to {limits.INDEX_SMALL_ROWS:,} products are copied at once",
        f"A statement that writes a chunk ends after {limits.WRITE_SECONDS_MAX} s",
        f"Pieces that still take more than {limits.WRITE_SECONDS_QUICK} s become smaller",
        f"Waits for other writers** end after {limits.WRITE_SECONDS_MAX / 2} s",
        f"the delivery stays claimed for {limits.DELIVERY_LEASE_SECONDS} s",
        f"A claim is a lease of {limits.DELIVERY_LEASE_SECONDS} seconds",
        f"retried after {', '.join(map(str, WAITS[:3]))}, then every {WAITS[3]} s, for {RETRIED_HOURS} hours",
        f"the next try is {limits.FAULT_SECONDS} s later",
        f"after {limits.FAULTS_MAX} of them, the dead-letter consumer ends the work",
        f"after the visibility time-out; {TRIES} tries",
        f"the connection is closed after {limits.CONNECTION_UNANSWERED_SECONDS_MAX} s",
        f"one that was idle for {limits.CONNECTION_IDLE_SECONDS_MAX // 60} minutes is not used",
        f"or `sweep` after {limits.STALLED_SECONDS // 60} minutes without progress",
        f"attempts | {limits.EVENTS_KEPT_DAYS} days, longer while they are pending |",
        f"the oldest first, for at most {limits.SWEEP_REMOVAL_SECONDS} seconds:",
        f"The first one removes {limits.SWEEP_STEP_ROWS_MIN} rows;",
        f"the next ones grow up to {limits.SWEEP_STEP_ROWS_MAX:,}",
        f"bulk deletes | {limits.JOBS_KEPT_DAYS} days after they have ended |",
        f"rejected rows of an import | {limits.IMPORT_DETAILS_KEPT_DAYS} days after it has ended",
        f"longer while S3 has the file | {limits.SWEEP_FILES_CHECKED_MAX} files are looked for |",
        f"at least {limits.MESSAGES_KEPT_DAYS} days after that confirmation",
        f"keeps up with {limits.SWEEP_FILES_CHECKED_MAX // QUESTIONS_PER_IMPORT * 24 * 60:,} imports a day",
        f"the last {limits.LOG_TEXT_CHARACTERS_MAX:,} characters are kept",
    ],
    "api.md": [
        f"({limits.PAGE_ITEMS_DEFAULT} by default, at most {limits.PAGE_ITEMS_MAX})",
        f"For {limits.IDEMPOTENCY_KEY_SECONDS // 3600} hours, a repeated request",
        f"| {limits.IMPORT_DETAILS_KEPT_DAYS} days after the import has ended, longer while it can be retried |",
        f"| exports, bulk deletes | {limits.JOBS_KEPT_DAYS} days after they have ended |",
        f"for {limits.SECRET_OVERLAP_SECONDS // 3600} hours, messages are signed with the old one too",
    ],
    "files.md": [
        f"| `sku` | yes | 1 to {limits.SKU_CHARACTERS_MAX} characters |",
        f"| `name` | yes | 1 to {limits.NAME_CHARACTERS_MAX} characters |",
        f"| `description` | no | at most {limits.DESCRIPTION_BYTES_MAX // KIB} KiB |",
        f"Rejected rows are kept for {limits.IMPORT_DETAILS_KEPT_DAYS} days",
        f"at most {limits.FILE_BYTES_MAX // GIB} GiB, before and after unpacking",
    ],
    "webhooks.md": [f"For {limits.SECRET_OVERLAP_SECONDS // 3600} hours after a rotation"],
}
IN_WORDS = {"none", "the first two", "the page"}
"""Defaults that the table of parameters describes."""


@pytest.mark.parametrize(("page", "statement"), [(page, each) for page, all_ in STATEMENTS.items() for each in all_])
def test_numbers_in_sentences_are_those_of_the_code(page: str, statement: str) -> None:
    assert statement in " ".join(read(ROOT / "docs" / page).split())


def declared(file: Path) -> dict[str, str]:
    """The parameters of a template, with their defaults as they are written."""
    parameters = yaml.safe_load(read(file)).get("Parameters", {})
    return {name: str(each.get("Default", "")).lower() for name, each in parameters.items()}


def test_every_parameter_of_a_deployment_is_one_of_the_templates() -> None:
    defaults = {name: default for file in (ROOT / "infra").rglob("*.yml") for name, default in declared(file).items()}
    table = [row for row in rows(read(ROOT / "docs/deploy.md"), "Step by step") if len(row) == 3]
    assert table
    for names, written, _ in table:
        parameters = re.findall(r"`(\w+)`", names)
        assert {*parameters} <= {*defaults}
        if written not in IN_WORDS:
            values = [value.strip("`").lower() for value in written.split(", ")]
            assert values == [defaults[name] for name in parameters]
