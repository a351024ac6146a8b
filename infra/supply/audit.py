"""Compares everything in the locks with the known vulnerabilities: `make audit`.

    python -m infra.supply.audit [--osv-url URL]

pip-audit looks the Python distributions up on PyPI, or on a server with the interface of OSV; npm looks up the tools of
the page. pip-audit reports no vulnerability, and succeeds, even if it could not look anything up. Here, what was not
looked up counts as not audited, and so does everything if the source does not know a vulnerability that is years old.

Exit status: 0 if everything was audited and nothing is vulnerable, 1 if something is, 2 if anything was not audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import entry
from infra.arguments import Parser
from infra.project import ROOT
from infra.supply import locks

VULNERABLE, NOT_AUDITED = 1, 2
SECONDS_MAX = 900.0
PUBLISHED = ("jinja2", "2.4.1")
"""A version with a published vulnerability, which every source must report: CVE-2014-1402."""
REMEDY = """\
Run `make audit` where the registries serve advisories, or name a server with the interface of OSV:
make audit OSV_URL=https://…
"""
Pin = tuple[str, str]
"""Name and version."""


@dataclass(frozen=True)
class Audit:
    """What one of the tools has found out."""

    tool: str
    wanted: int
    """How many versions should have been looked up."""
    audited: int
    vulnerable: tuple[str, ...] = ()
    reason: str = ""
    """Why the rest was not looked up."""

    def line(self) -> str:
        """The result in one line."""
        return f"{self.tool}: {self.audited} of {self.wanted} versions audited, {len(self.vulnerable)} vulnerable"


def pins() -> dict[Pin, list[str]]:
    """Returns every version in the locks, and the locks that have it."""
    found: dict[Pin, list[str]] = {}
    for lock in locks.sources():
        for each in locks.read(lock).values():
            found.setdefault((each.name, each.version), []).append(locks.path(lock).name)
    return found


def batches(wanted: Iterable[Pin]) -> list[list[Pin]]:
    """Divides pins so that no name occurs twice in a batch, which pip-audit would refuse."""
    divided: list[dict[str, str]] = []
    for name, version in wanted:
        batch = next((each for each in divided if name not in each), None)
        if batch is None:
            divided.append(batch := {})
        batch[name] = version
    return [list(each.items()) for each in divided]


def audit_python(wanted: Mapping[Pin, Sequence[str]], osv_url: str | None) -> Audit:
    """Looks up every version of a Python distribution."""
    reports = [
        _pip_audit(batch, osv_url) for batch in batches([*(each for each in wanted if each != PUBLISHED), PUBLISHED])
    ]
    return python_result(wanted, reports)


def python_result(wanted: Mapping[Pin, Sequence[str]], reports: Sequence[Mapping[str, Any]]) -> Audit:
    """Returns what pip-audit's reports say of these versions; PUBLISHED must be among what they say."""
    entries = [each for report in reports for each in report.get("dependencies", ())]
    looked_up = {(each["name"], each["version"]): each["vulns"] for each in entries if "vulns" in each}
    reasons = [report["error"] for report in reports if "error" in report]
    reasons += [each["skip_reason"] for each in entries if "skip_reason" in each]
    if not looked_up.get(PUBLISHED):
        reasons.append(f"The source does not report the known vulnerability of {PUBLISHED[0]} {PUBLISHED[1]}.")
        looked_up = {}
    vulnerable = [
        f"{name} {version} ({', '.join(wanted[name, version])}): {_names(each)}"
        for (name, version), found in sorted(looked_up.items())
        for each in found
        if (name, version) in wanted
    ]
    audited = sum(pin in looked_up for pin in wanted)
    return Audit(
        "Python", len(wanted), audited, tuple(vulnerable), reasons[0] if reasons and audited < len(wanted) else ""
    )


def _names(vulnerability: Mapping[str, Any]) -> str:
    ids = ", ".join([vulnerability["id"], *vulnerability.get("aliases", ())])
    fixed = ", ".join(vulnerability.get("fix_versions", ()))
    return f"{ids}; fixed in {fixed}" if fixed else f"{ids}; not fixed yet"


def _pip_audit(batch: Sequence[Pin], osv_url: str | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--disable-pip"]
    command += ["--no-deps", "--aliases", "on", "--desc", "off"]
    command += ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "pins.txt"
        file.write_text("\n".join(f"{name}=={version}" for name, version in batch), "utf-8")
        return _report([*command, "--requirement", str(file)])


def audit_npm() -> Audit:
    """Looks up every version in package-lock.json."""
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    return npm_result(sum(bool(path) for path in packages), _report(["npm", "audit", "--json"]))


def npm_result(wanted: int, report: Mapping[str, Any]) -> Audit:
    """Returns what npm's report says."""
    if "vulnerabilities" not in report:
        reason = report.get("error") if isinstance(report.get("error"), str) else report.get("message")
        return Audit("npm", wanted, 0, reason=str(reason))
    vulnerable = [
        f"{name} {each['range']} (package-lock.json): {each['severity']}"
        for name, each in sorted(report["vulnerabilities"].items())
    ]
    return Audit("npm", wanted, wanted, tuple(vulnerable))


def _report(command: Sequence[str]) -> dict[str, Any]:
    """Returns the report that a tool prints as JSON, or its error under the key `error`."""
    try:
        finished = subprocess.run(  # noqa: S603  our own command
            command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        report: dict[str, Any] = json.loads(finished.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"{command[0]}: {error}"}
    except json.JSONDecodeError:
        return {"error": finished.stderr.strip().rpartition("\n")[2] or f"{command[0]} printed nothing"}
    return report


def conclusion(audits: Sequence[Audit]) -> tuple[str, int]:
    """Returns the text that ends the command, and its exit status."""
    lines = [each.line() for each in audits]
    lines += [f"  {each}" for audit in audits for each in audit.vulnerable]
    incomplete = [audit for audit in audits if audit.audited < audit.wanted]
    if not incomplete:
        return "\n".join(lines) + "\n", VULNERABLE if any(audit.vulnerable for audit in audits) else 0
    missing = sum(audit.wanted - audit.audited for audit in incomplete)
    nothing = all(audit.audited == 0 for audit in audits)
    lines += ["", "NOTHING WAS AUDITED." if nothing else f"{missing} VERSIONS WERE NOT AUDITED."]
    lines += [f"  {audit.tool}: {audit.reason}" for audit in incomplete]
    return "\n".join(lines) + f"\n{REMEDY}", NOT_AUDITED


def main(arguments: list[str]) -> int:
    """Audits the locks. Returns the exit status."""
    parser = Parser(prog="python -m infra.supply.audit", description="Audit the locks.", make="make audit")
    parser.add_argument("--osv-url", help="a server with the interface of OSV (default: PyPI's own advisories)")
    options = parser.parse_args(arguments)
    text, status = conclusion([audit_python(pins(), options.osv_url), audit_npm()])
    (sys.stderr if status else sys.stdout).write(text)
    return status


if __name__ == "__main__":
    entry.run(main)
