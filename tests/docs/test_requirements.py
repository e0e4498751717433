"""Promises of the page of requirements: every demand is on it once, with a test that exists or a reason."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

from tests.docs.requirements import FILE, page

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([A-Z]-\d\d) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
# How many demands there are of each kind: HTTP, common attributes, filters, sorting, pages, attributes asked for,
# search, PUT, PATCH, entity tags, Bulk; and cursors (RFC 9865).
DEMANDS = {
    "H": 21,
    "C": 25,
    "Q": 16,
    "S": 4,
    "G": 7,
    "A": 5,
    "R": 2,
    "U": 3,
    "X": 19,
    "E": 7,
    "B": 10,
    "P": 4,
}
REASONS = ("Chosen: ", "Not announced: ", "Not given: ")


@cache
def written_tests(file: str) -> frozenset[str]:
    """The tests of a file, those in classes as Class::test, read without running it."""
    tree = ast.parse((ROOT / file).read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def missing(text: str) -> list[str]:
    """The tests a text names that do not exist."""
    return [
        f"{file}::{name}"
        for file, name in TEST.findall(text)
        if not (ROOT / file).exists() or name not in written_tests(file)
    ]


def test_every_demand_is_on_the_page_once() -> None:
    listed = Counter(row[0] for row in ROW.findall(FILE.read_text()))
    assert set(listed.values()) == {1}
    assert set(listed) == {f"{kind}-{n:02}" for kind, most in DEMANDS.items() for n in range(1, most + 1)}


def test_every_demand_has_a_test_or_a_reason_and_a_source() -> None:
    for number, demand, source, proof in ROW.findall(FILE.read_text()):
        assert demand.strip() and source.strip(), number
        assert TEST.search(proof) or any(reason in proof for reason in REASONS), number


def test_every_test_the_page_names_exists() -> None:
    assert missing(FILE.read_text()) == []
    assert missing("`tests/docs/test_requirements.py::test_nobody_wrote`")


def test_the_differences_are_those_of_the_tests() -> None:
    text = FILE.read_text()
    assert text == page(text), "run: python -m tests.docs.requirements"
