"""The programs in docs/webhooks.md verify our messages and refuse forged ones; its numbers are those of the code."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chalicelib.limits import EXCHANGE_SECONDS_MAX, KIB, RESPONSE_BYTES_MAX
from chalicelib.webhooks.retry_schedule import ATTEMPTS_MAX, DELAYS_SECONDS, HOUR, JITTER, MINUTE
from chalicelib.webhooks.signatures import new_secret, sign

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text("utf-8")
RUN_SECONDS_MAX = 60
BUILD_SECONDS_MAX = 280
"""Go compiles its standard library first, where it has not yet."""
VERIFIED, REFUSED = "verified", "refused"

NODE = """
import { readFileSync } from "node:fs";
import { verify } from "./verify.mjs";
const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
try { verify(secret, headers, Buffer.from(body, "base64")); console.log("verified"); } catch { console.log("refused"); }
"""
PYTHON = """
import base64, json, sys
from {module} import verify
message = json.load(sys.stdin)
try:
    verify(message["secret"], message["headers"], base64.b64decode(message["body"]))
    print("verified")
except Exception:
    print("refused")
"""
GO = """package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	var message struct {
		Secret  string
		Headers map[string]string
		Body    []byte
	}
	if err := json.NewDecoder(os.Stdin).Decode(&message); err != nil {
		panic(err)
	}
	header := http.Header{}
	for name, value := range message.Headers {
		header.Set(name, value)
	}
	if Verify(message.Secret, header, message.Body) == nil {
		fmt.Println("verified")
	} else {
		fmt.Println("refused")
	}
}
"""


@dataclass(frozen=True)
class Message:
    """What a receiver has: its secret, and what came in."""

    secret: str
    headers: dict[str, str]
    body: bytes

    def changed(self, name: str, value: str) -> Message:
        return replace(self, headers={**self.headers, name: value})


Program = Callable[[Message], str]
"""Says what one of the page's programs makes of a message."""


def snippet(name: str) -> str:
    """The program on the page whose first line names it."""
    [found] = re.findall(rf"^```\w+\n((?:#|//) {re.escape(name)}\b.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed: its program on the page was not tested")
    return path


def fed(command: list[str], directory: Path) -> Program:
    """A program that takes the message as JSON."""

    def run(message: Message) -> str:
        given = {
            "secret": message.secret,
            "headers": message.headers,
            "body": base64.b64encode(message.body).decode(),
        }
        ran = subprocess.run(
            command,
            cwd=directory,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
            check=True,
        )
        return ran.stdout.strip()

    return run


def python(module: str, directory: Path) -> Program:
    (directory / f"{module}.py").write_text(snippet(f"{module}.py"))
    return fed([sys.executable, "-c", PYTHON.format(module=module)], directory)


def node(directory: Path) -> Program:
    (directory / "verify.mjs").write_text(snippet("verify.mjs"))
    (directory / "main.mjs").write_text(NODE)
    return fed([needs("node"), "main.mjs"], directory)


def go(directory: Path) -> Program:
    compiler = needs("go")
    (directory / "verify.go").write_text(snippet("verify.go"))
    (directory / "main.go").write_text(GO)
    build = [compiler, "build", "-o", "verify", "verify.go", "main.go"]
    subprocess.run(build, cwd=directory, check=True, timeout=BUILD_SECONDS_MAX)
    return fed([str(directory / "verify")], directory)


def openssl(directory: Path) -> Program:
    needs("openssl")
    (directory / "verify.sh").write_text(snippet("verify.sh"))

    def run(message: Message) -> str:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        arguments = [message.secret, *(message.headers[name] for name in names)]
        ran = subprocess.run(
            ["sh", "verify.sh", *arguments],
            cwd=directory,
            input=message.body,
            capture_output=True,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )
        words = {0: (b"the signature is valid\n", b""), 1: (b"", b"the signature is not valid\n")}
        assert (ran.stdout, ran.stderr) == words[ran.returncode]
        return VERIFIED if ran.returncode == 0 else REFUSED

    return run


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "Python with the library": lambda directory: python("with_library", directory),
    "Python without a library": lambda directory: python("without_library", directory),
    "Node.js": node,
    "Go": go,
    "openssl": openssl,
}


@pytest.fixture(params=PROGRAMS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(name: str, tmp_path: Path) -> Program:
    return PROGRAMS[name](tmp_path)


def good(age_seconds: int = 0) -> Message:
    """A message as it is sent while a secret is being rotated, to a receiver that has the new one."""
    secret = new_secret()
    body = json.dumps({"type": "import.completed", "data": {"filename": "März.csv"}}, ensure_ascii=False).encode()
    timestamp = int(time.time()) - age_seconds
    headers = sign([secret, new_secret()], "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4d", timestamp, body)
    return Message(secret, headers, body)


def test_our_messages_verify(program: Program) -> None:
    message = good()
    assert program(message) == VERIFIED
    first, second = message.headers["webhook-signature"].split(" ")
    assert program(message.changed("webhook-signature", first)) == VERIFIED
    assert program(message.changed("webhook-signature", f"{second} {first}")) == VERIFIED


def test_forged_messages_do_not(program: Program) -> None:
    message = good()
    first, second = message.headers["webhook-signature"].split(" ")
    forged = {
        "body": replace(message, body=message.body.replace(b"completed", b"failed")),
        "white space": replace(message, body=message.body + b"\n"),
        "id": message.changed("webhook-id", "019abe6e-9e3b-7c1e-8f45-0d7f6a2b3c4e"),
        "timestamp": message.changed("webhook-timestamp", str(int(message.headers["webhook-timestamp"]) - 1)),
        "signature": message.changed("webhook-signature", second),
        "cut signature": message.changed("webhook-signature", first[:-2]),
        "version": message.changed("webhook-signature", first.replace("v1,", "v1a,")),
        "secret": replace(message, secret=new_secret()),
    }
    assert {what: program(each) for what, each in forged.items()} == dict.fromkeys(forged, REFUSED)


def test_old_messages_do_not(program: Program, name: str) -> None:
    if name == "openssl":
        assert "The age is not checked" in PAGE
        return
    for seconds in (400, -400):
        assert program(good(seconds)) == REFUSED
    assert program(good(200)) == VERIFIED


def test_the_example_on_the_page_is_signed_as_the_page_says() -> None:
    [(head, body)] = re.findall(r"^```http\n(.*?)\n\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    headers = dict(line.split(": ") for line in head.splitlines()[1:])
    [secret] = re.findall(r"signed with `(whsec_\S+)`", PAGE)
    signed = sign([secret], headers["webhook-id"], int(headers["webhook-timestamp"]), body.encode())
    assert headers == {"Content-Type": "application/json", **signed}


def test_the_page_has_a_program_for_each_of_these_and_no_other() -> None:
    assert len(re.findall(r"^```(?!http|json)\w+$", PAGE, re.MULTILINE)) == len(PROGRAMS)


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    hours = [f"{seconds // HOUR}" for seconds in DELAYS_SECONDS[4:]]
    waits = f"{DELAYS_SECONDS[1]} seconds, {DELAYS_SECONDS[2] // MINUTE} minutes, {DELAYS_SECONDS[3] // MINUTE} minutes"
    assert f"{waits}, {', '.join(hours[:-1])} and {hours[-1]} hours, each up to a fifth longer or shorter" in text
    assert (JITTER, ATTEMPTS_MAX) == (1 / 5, 10)
    assert "ten attempts in all" in text
    assert f"After {EXCHANGE_SECONDS_MAX} seconds without a complete response" in text
    assert f"{RESPONSE_BYTES_MAX // KIB} KiB are read" in text
