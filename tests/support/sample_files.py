"""Files like those of the original assignment, and what they mean by Python's own csv module."""

from __future__ import annotations

import csv
import io
import random

from tests.support.sequential_model import Catalogue, key_of


def reference(content: str) -> Catalogue:
    """The catalogue a file makes, row by row, last one wins."""
    catalogue: Catalogue = {}
    for row in csv.DictReader(io.StringIO(content, newline="")):
        catalogue[key_of(row["sku"])] = (row["sku"].strip(), row["name"].strip(), row["description"], True)
    return catalogue


def assignment_like(rows: int, seed: int = 1, words_max: int = 5) -> str:
    """CRLF between records, bare LF inside quotes, no newline at the end, SKUs that repeat in other letters."""
    chance = random.Random(seed)
    words = ["lamp", "Stuhl", "größe", "naïve", "ÅNGSTRÖM", "tea, green", 'the "best"', "漆器", "🪑"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["name", "sku", "description"])
    for number in range(rows):
        sku = f"{chance.choice(['sku', 'SKU', 'Äpfel', 'äPFEL'])}-{chance.randrange(rows)}"
        text = "\n".join(chance.choices(words, k=chance.randint(1, words_max)))
        writer.writerow([f"{chance.choice(words)} {number}", sku, text])
    return out.getvalue().removesuffix("\r\n")
