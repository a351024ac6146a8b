"""`make audit` reports known vulnerabilities, and never passes for having looked nothing up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.supply import audit, locks
from infra.supply.audit import NOT_AUDITED, PUBLISHED, VULNERABLE, Audit, batches, conclusion, npm_result, python_result

WANTED = {("good", "1.0"): ["dev.txt"], ("bad", "2.0"): ["dev.txt", "lambda.txt"]}
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on this port."""
NPM_UNREACHABLE = {"message": "405 Method Not Allowed", "statusCode": 405, "error": {"summary": "", "detail": ""}}
NPM_GOOD = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {"dependencies": {"total": 3}}}
NPM_BAD = {**NPM_GOOD, "vulnerabilities": {"left": {"name": "left", "severity": "high", "range": "<1.2"}}}


def _entry(pin: audit.Pin, *ids: str) -> dict[str, Any]:
    vulnerabilities = [{"id": each, "aliases": ["CVE-1"], "fix_versions": ["2.1"]} for each in ids]
    return {"name": pin[0], "version": pin[1], "vulns": vulnerabilities}


def _report(*entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(entries), "fixes": []}


KNOWN = _entry(PUBLISHED, "PYSEC-0")


def test_every_version_of_every_lock_is_looked_up_once() -> None:
    wanted = audit.pins()
    for lock in locks.sources():
        for each in locks.read(lock).values():
            assert locks.path(lock).name in wanted[each.name, each.version]
    divided = batches(wanted)
    assert sorted(pin for batch in divided for pin in batch) == sorted(wanted)
    for batch in divided:
        assert len({name for name, _ in batch}) == len(batch)


def test_a_vulnerable_version_is_reported_with_its_locks_and_the_fix() -> None:
    found = python_result(WANTED, [_report(KNOWN, _entry(("good", "1.0")), _entry(("bad", "2.0"), "PYSEC-1"))])
    text, status = conclusion([found, npm_result(3, NPM_GOOD)])
    assert status == VULNERABLE
    assert "bad 2.0 (dev.txt, lambda.txt): PYSEC-1, CVE-1; fixed in 2.1" in text
    assert "jinja2" not in text, "the version that every source must know is not ours"
    assert "left <1.2 (package-lock.json): high" in conclusion([found, npm_result(3, NPM_BAD)])[0]


def test_if_all_was_looked_up_and_nothing_is_vulnerable_it_succeeds() -> None:
    found = python_result(WANTED, [_report(KNOWN, *map(_entry, WANTED))])
    text, status = conclusion([found, npm_result(3, NPM_GOOD)])
    assert status == 0
    assert text == "Python: 2 of 2 versions audited, 0 vulnerable\nnpm: 3 of 3 versions audited, 0 vulnerable\n"


@pytest.mark.parametrize(
    "reports",
    [
        [],
        [{"error": "ConnectionError: no route"}],
        # pip-audit succeeds with this when PyPI serves no advisories.
        [_report(*({"name": name, "skip_reason": "not found"} for name, _ in [PUBLISHED, *WANTED]))],
        # A server that answers every question with "nothing known".
        [_report(_entry(PUBLISHED), *map(_entry, WANTED))],
    ],
    ids=["no report", "unreachable", "all skipped", "a source that knows nothing"],
)
def test_nothing_audited_is_said_loudly_and_fails(reports: list[dict[str, Any]]) -> None:
    text, status = conclusion([python_result(WANTED, reports), npm_result(3, NPM_UNREACHABLE)])
    assert status == NOT_AUDITED
    assert "\nNOTHING WAS AUDITED.\n" in text
    assert "npm: 405 Method Not Allowed" in text
    assert "make audit OSV_URL=" in text


def test_a_part_that_was_not_audited_fails_too() -> None:
    partial = python_result(
        WANTED, [_report(KNOWN, _entry(("good", "1.0")), {"name": "bad", "skip_reason": "unknown"})]
    )
    assert partial == Audit("Python", 2, 1, (), "unknown")
    text, status = conclusion([partial, npm_result(3, NPM_GOOD)])
    assert status == NOT_AUDITED
    assert "\n1 VERSIONS WERE NOT AUDITED.\n  Python: unknown\n" in text


class Advisories(BaseHTTPRequestHandler):
    """A server with the interface of OSV: it knows a vulnerability of two versions."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = query["package"]["name"], query["version"]
        known = {"id": f"PYSEC-{name}", "aliases": [], "details": "…", "affected": [self._affected(name, version)]}
        body = json.dumps({"vulns": [known]} if (name, version) in {PUBLISHED, ("bad", "2.0")} else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _affected(self, name: str, version: str) -> dict[str, Any]:
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0"}]}]
        return {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges, "versions": [version]}

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def test_pip_audit_itself_asks_the_named_server(osv: str) -> None:
    found = audit.audit_python(WANTED, osv)
    assert (found.wanted, found.audited, found.reason) == (2, 2, "")
    assert found.vulnerable == ("bad 2.0 (dev.txt, lambda.txt): PYSEC-bad; fixed in 3.0",)


def test_the_command_fails_when_no_source_can_be_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "npm_config_https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setattr(audit, "pins", lambda: WANTED)
    assert audit.main([]) == NOT_AUDITED
    printed = capsys.readouterr()
    assert "NOTHING WAS AUDITED" in printed.err
    assert not printed.out
