"""URLs with hosts in other characters than ASCII, each of which some program would read as a host inside.

`{port}` is the port of the receiver that must not be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "0.0.0.0", "169.254.169.254", "100.100.100.200",
    "169.254.170.2", "192.0.0.192", "10.0.0.1", "172.16.0.1", "192.168.0.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "localhost", "loopback.example", "metadata.example",
]  # fmt: skip
"""Hosts inside, each of which is also spelt as follows."""


def shifted(first: str) -> dict[int, str]:
    """Digits from another row of ten."""
    return {ord("0") + number: chr(ord(first) + number) for number in range(10)}


WIDE = {point: chr(point + 0xFEE0) for point in range(ord("!"), ord("~") + 1)}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "full width": lambda host: host.translate(WIDE),
    "full width, but dots": lambda host: host.translate({**WIDE, ord("."): "."}),
    "mathematical digits": lambda host: host.translate({**WIDE, **shifted("\U0001d7d8")}),
    "Arabic digits, or letters of full width": lambda host: host.translate(
        {**WIDE, **shifted("\u0660"), ord("."): "."}
    ),
    "Devanagari digits, or letters of full width": lambda host: host.translate(
        {**WIDE, **shifted("\u0966"), ord("."): "."}
    ),
    "superscript or circled": lambda host: host.translate(
        {**WIDE, **dict(zip(map(ord, "0123456789"), "⁰①²③⁴⑤⁶⑦⁸⑨", strict=True)), ord("."): "."}
    ),
    "ideographic dots": lambda host: f"{host}。".replace(".", "。"),
    "halfwidth ideographic dots": lambda host: f"{host}｡".replace(".", "｡"),
    "dots of full width": lambda host: f"{host}．".replace(".", "．"),
    "one dot leaders": lambda host: f"{host}․".replace(".", "․"),
    "a soft hyphen": lambda host: f"{host[0]}\u00ad{host[1:]}",
    "a zero-width space": lambda host: f"{host}\u200b",
    "a joiner": lambda host: f"{host[0]}\u200d{host[1:]}",
    "a non-joiner": lambda host: f"{host}\u200c",
    "a variation selector": lambda host: f"{host}\ufe0f",
    "a word joiner first": lambda host: f"\u2060{host}",
    "from right to left": lambda host: f"\u202e{host[::-1]}",
    "percent-encoded full width": lambda host: quote(host.translate(WIDE)),
    "the ASCII form of nothing": lambda host: f"xn--{host}-",
    "the ASCII form of full width": lambda host: ".".join(
        f"xn--{label.translate(WIDE).encode('punycode').decode()}" for label in host.split(".")
    ),
}
SPELT_ATTACKS = list(
    dict.fromkeys(f"http://{spell(host)}:{{port}}/" for spell in SPELLINGS.values() for host in INSIDE)
)
IDN_ATTACKS = [
    "http://böse.example:{port}/",
    "http://BÖSE.example:{port}/",
    "http://bo\u0308se.example:{port}/",
    "http://böse.example.:{port}/",
    "http://XN--BSE-SNA.example:{port}/",
    "http://mêtadaten.example:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://localhoſt:{port}/",
    "http://[：：１]:{port}/",
    "http://［::1］:{port}/",
    "http://[::１]:{port}/",
    "http://[::ﬀff:127.0.0.1]:{port}/",
    "http://public.example／@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}／.public.example/",
    "http://127.0.0.1：{port}/",
    "http://public.example＠127.0.0.1:{port}/",
    "http://127.0.0.1:{port}＃@public.example/",
    "http://127.0.0.1:{port}？@public.example/",
    "http://127.0.0.1:{port}＼@public.example/",
    "http://public.example℀127.0.0.1:{port}/",
    "http://xn--.example:{port}/",
    "http://xn--a.example:{port}/",
    "http://m%C3%BCller.example/",
    "http://müller..example/",
    "http://.müller.example/",
    "http://müller.example../",
    "http://" + "ü" * 60 + ".example/",
    "http://" + "ü." * 40 + "example/",
    "http://müller.example/ü",
    "http://müller.example/?ü",
    "http://müller.example/\u2028",
    "httpſ://müller.example/",
    "ｈttp://müller.example/",
    "\ufeffhttp://müller.example/",
    "http：//müller.example/",
    "http:／／müller.example/",
    "http://müller.example:22/",
]
