"""International host names: one ASCII form for every program, and a message in words for everything else.

The expected ASCII forms are those of the standards' examples and of browsers, not of the library that the code uses.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from unicodedata import category

import pytest

from chalicelib.webhooks.outbound.hosts import ascii_host
from chalicelib.webhooks.outbound.unsafe import Unsafe
from chalicelib.webhooks.outbound.urls import Target, check_headers, parse

BROWSER = """
const hosts = JSON.parse(require("node:fs").readFileSync(0));
const read = (host) => { try { return new URL(`https://${host}/`).hostname; } catch { return null; } };
console.log(JSON.stringify(hosts.map(read)));
"""
"""Node.js parses URLs by the WHATWG's standard, as browsers do."""
NODE_SECONDS_MAX = 60


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("müller.example", "xn--mller-kva.example"),
        ("MÜLLER.Example", "xn--mller-kva.example"),
        ("mu\u0308ller.example", "xn--mller-kva.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("XN--MLLER-KVA.example", "xn--mller-kva.example"),
        ("müller.example.", "xn--mller-kva.example."),
        ("hooks_1.müller.example", "hooks_1.xn--mller-kva.example"),
        # The examples of UTS 46: older programs turned ß into ss, ς into σ, and left out the joiners.
        ("faß.de", "xn--fa-hia.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("ශ්\u200dරී.com", "xn--10cl1a0b660p.com"),
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),
        ("日本語.jp", "xn--wgv71a119e.jp"),
        ("правительство.рф", "xn--80aealotwbjpid2k.xn--p1ai"),
        ("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
        # Mixed scripts are an attack on readers. Here only the person who typed the name reads it.
        ("аpple.example", "xn--pple-43d.example"),
        ("r3---sn-4g5e.example", "r3---sn-4g5e.example"),
        ("ü" * 55 + ".example", "xn--tdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"),
    ],
)
def test_a_name_has_one_ascii_form(typed: str, host: str) -> None:
    assert ascii_host(typed) == host


def test_a_target_keeps_what_was_typed_for_messages_and_sends_ascii() -> None:
    target = parse("https://Müller.example:8443/hook?shop=1")
    assert target == Target("https", "xn--mller-kva.example", 8443, "/hook?shop=1", "Müller.example")
    assert target.host_header == "xn--mller-kva.example:8443"
    assert target.shown_host == "Müller.example (xn--mller-kva.example)"
    assert parse("https://EXAMPLE.com").shown_host == "example.com"


SPELLING = "which is not allowed there: check the spelling"
BAD_PART = "is not a valid part of an international host name: check the spelling"
NOT_IPV4 = "is not an IPv4 address: write four decimal numbers separated by dots"
MESSAGES = {
    # Addresses that some program finds in these.
    "http://１２７.0.0.1/": f"１２７.0.0.1 {NOT_IPV4}",
    "http://127.0.0.１/": f"127.0.0.１ {NOT_IPV4}",
    "http://127。0。0。1/": f"127。0。0。1 {NOT_IPV4}",
    "http://①②⑦.⓪.⓪.①/": f"①②⑦.⓪.⓪.① {NOT_IPV4}",
    "http://१२७.०.०.१/": f"१२७.०.०.१ {NOT_IPV4}",
    "http://0ｘ7f.1/": f"0ｘ7f.1 {NOT_IPV4}",
    "http://1.2.3/": f"1.2.3 {NOT_IPV4}",
    "http://0x7f/": f"0x7f {NOT_IPV4}",
    "http://[::1::]/": "[::1::] is not an IPv6 address",
    # Characters.
    "http://müller。example/": f"the host contains “。” (U+3002), {SPELLING}",
    "http://ｍüller.example/": f"the host contains “ｍ” (U+FF4D), {SPELLING}",
    "http://mül\u00adler.example/": f"the host contains the invisible character U+00AD, {SPELLING}",
    "http://mül\u200bler.example/": f"the host contains the invisible character U+200B, {SPELLING}",
    "http://mül\u200dler.example/": f"the host contains the invisible character U+200D, {SPELLING}",
    "http://mül\u00a0ler.example/": f"the host contains the invisible character U+00A0, {SPELLING}",
    "http://FAẞ.example/": f"the host contains “ẞ” (U+1E9E), {SPELLING}",
    "http://ﬁle.example/": f"the host contains “ﬁ” (U+FB01), {SPELLING}",
    "http://localhoſt/": f"the host contains “ſ” (U+017F), {SPELLING}",
    "http://i❤.example/": f"the host contains “❤” (U+2764), {SPELLING}",
    "http://a℀b.example/": f"the host contains “℀” (U+2100), {SPELLING}",
    "http://public.example／x": f"the host contains “／” (U+FF0F), {SPELLING}",
    "http://public.example：80/": f"the host contains “：” (U+FF1A), {SPELLING}",
    # Parts of names.
    "http://m%C3%BCller.example/": "“m%c3%bcller” cannot be part of a host name: "
    "use letters, digits, and hyphens between them",
    "http://-müller.example/": f"“-müller” {BAD_PART}",
    "http://אa.example/": f"the host contains “a”, {SPELLING}",
    "http://\u0301a.example/": f"the host contains “\u0301” (U+0301), {SPELLING}",
    "http://xn--a.example/": f"“xn--a” {BAD_PART}",
    "http://xn--.example/": f"“xn--” {BAD_PART}",
    "http://xn--public-.example/": f"“xn--public-” {BAD_PART}",
    "http://xn--mller-kvA\u0301.example/": f"“xn--mller-kvá” {BAD_PART}",
    "http://" + "ü" * 60 + ".example/": f"“{'ü' * 60}” {BAD_PART}",
    "http://" + "a" * 64 + ".example/": "the host has a part with more than 63 characters between two dots",
    "http://" + "ü." * 40 + "example/": "the host has more than 253 characters (counted in its xn-- form)",
    "http://müller..example/": "the host has an empty part: "
    "write exactly one dot between its parts, and none before them",
    # The rest of the URL.
    "ftp://müller.example/": "the URL must start with https:// or http://, not with ftp://",
    "müller.example/hook": "the URL must start with https:// or http://",
    "über.example/hook": "the URL must start with https:// or http://, not with “ü” (U+00FC)",
    "\ufeffhttps://müller.example/": "the URL must start with https:// or http://, "
    "not with the invisible character U+FEFF",
    "httpſ://müller.example/": "the URL must start with https:// or http://",
    "https://müller.example/größe": "only ASCII characters may follow the host: "
    "write %C3%B6 for “ö” (U+00F6), %C3%9F for “ß” (U+00DF)",
    "https://müller.example?ü": "only ASCII characters may follow the host: write %C3%BC for “ü” (U+00FC)",
    "https://müller.example/a\u200bb": "only ASCII characters may follow the host: "
    "write %E2%80%8B for the invisible character U+200B",
    "https://müller.example/a b": "the URL contains a space: remove it, or write it as %20 in the path",
    "https://müller.example/a\\b": "the URL contains a backslash: write / instead, or %5C in the path",
    "https://müller.example/a\tb": "the URL contains the invisible character U+0009: remove it",
    "https://müller.example/#a": "the URL has a fragment, which is never sent: remove the # and everything after it",
    "https://ü:ß@müller.example/": "the URL contains a user name or password: remove it, and add a header instead",
    "https://müller.example:0/": "port 0 does not exist",
    "https://müller.example:８０/": "the URL has no valid host and port: "
    "write it as https://host/path or https://host:port/path",
    "https:///hook": "the URL has no valid host and port: write it as https://host/path or https://host:port/path",
}


@pytest.mark.parametrize("url", MESSAGES)
def test_a_refusal_names_the_problem_and_the_remedy(url: str) -> None:
    with pytest.raises(Unsafe) as refused:
        parse(url)
    assert str(refused.value) == MESSAGES[url]


@pytest.mark.parametrize("decoded", ["１２７", "mu\u0308ller", "a\u00adb", "ﬁle", "a.ü", "a\u200bü", "ü/"])
def test_an_ascii_form_must_be_the_one_that_its_name_has(decoded: str) -> None:
    label = f"xn--{decoded.encode('punycode').decode()}"
    with pytest.raises(Unsafe):
        ascii_host(f"{label}.example")


def test_half_of_a_surrogate_pair_is_refused_like_any_other_character() -> None:
    for url in ("http://\ud800.example/", "http://public.example/\ud800"):
        with pytest.raises(Unsafe):
            parse(url)


def _accepted(joint: str) -> Iterator[tuple[str, str]]:
    for letter in map(chr, range(128, sys.maxunicode)):
        if category(letter) not in {"Lo", "Cn", "Co", "Cs"}:
            typed = f"{joint.format(letter)}.example"
            with suppress(Unsafe):
                yield typed, ascii_host(typed)


@pytest.mark.parametrize("joint", ["{}", "a{}b", "{}a"])
def test_browsers_read_every_accepted_host_as_the_importer_does(joint: str) -> None:
    """Every character that can be in a name or that conversion may change, but Chinese, Korean and the like."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: hosts were not compared with its parser of URLs")
    accepted = dict(_accepted(joint))
    completed = subprocess.run(
        [node, "-e", BROWSER],
        input=json.dumps(list(accepted)),
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS_MAX,
        check=True,
    )
    read = dict(zip(accepted, json.loads(completed.stdout), strict=True))
    known = {typed: host for typed, host in read.items() if host}  # Without letters newer than this browser.
    assert known == {typed: accepted[typed] for typed in known}
    assert len(known) > 1_000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bad Header", "the header “Bad Header” has a space in its name: use only letters, digits and hyphens"),
        ("X:Y", "the header “X:Y” has “:” in its name: use only letters, digits and hyphens"),
        ("Größe", "the header “Größe” has “ö” (U+00F6) in its name: use only letters, digits and hyphens"),
        ("", "a header has no name: write it as Name: value"),
    ],
)
def test_a_header_with_a_bad_name_is_named(name: str, message: str) -> None:
    with pytest.raises(Unsafe) as refused:
        check_headers({"X-Shop": "north", name: "x"})
    assert str(refused.value) == message
