"""Texts that break programs. Each must be stored, found and returned like any other text."""

from __future__ import annotations

NAUGHTY = [
    "'", '"', "`", "';--", "' or '1'='1", "\"; drop table product; --", "$1", "%s", "%(sku)s", "{0}", "${7*7}",
    "%", "_", "\\", "100%", "a_b", "\\%", "\\\\_", "C:\\temp", ".*", "^[a-z]+$", "(", "null", "true", "NaN", "0", "-1",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;", "=1+1", "@SUM(A1)", "../../etc/passwd",
    "😀", "👩‍👩‍👧", "🇩🇪", "مرحبا", "\u202eevil", "a\u200bb", "\u200bc", "d\ufeff", "Z̷̢a̸l̵g̶o̷", "ﬁ", "Å", "İ", "ß", "ſ",
    "line\nbreak", "tab\tin", "\x01\x1b[31m", "\x7f", "x\u2028y\u2029z", "\ufffe", "\U0010ffff", "x" * 64, "漢字" * 32,
    "a\r\nb: c", "$$; select pg_sleep(9); $$", "+", "a+b c", "a&sku=b", "#", "%41", "%00", "\\u0000", "\\ud800", "{}",
]  # fmt: skip
WILD = ["%", "_", "\\", "\\%", "' or '1'='1", ".*", "%s", "İ"]
"""Texts with a special meaning for a database or a formatter."""
