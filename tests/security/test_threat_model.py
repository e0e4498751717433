"""The threat model cannot rot: every promise in it names tests, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "threat-model.md"
ROW = re.compile(r"^\| ([A-Z]{1,2}\d+) \| (.+?) \| (.+) \|$", re.M)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions(file: str) -> frozenset[str]:
    """The tests a file defines; nothing is imported or run."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def flaws(text: str) -> list[str]:
    """What is wrong with the promises of a page."""
    found, seen = [], set()
    for promise, words, tests in ROW.findall(text):
        if promise in seen:
            found.append(f"{promise} is there twice")
        seen.add(promise)
        named = NAMED.findall(tests)
        if not named or not words.strip():
            found.append(f"{promise} names no test")
        for file, name in named:
            if not (ROOT / file).exists() or name not in functions(file) or not name.startswith("test_"):
                found.append(f"{promise} names {file}::{name}, which is not there")
    return found


def test_every_promise_of_the_threat_model_names_tests_that_exist() -> None:
    text = PAGE.read_text()
    assert flaws(text) == []
    assert len(ROW.findall(text)) > 50
    # No name of a test stands outside of a promise, where nothing would look at it.
    assert len(NAMED.findall(text)) == sum(len(NAMED.findall(row[2])) for row in ROW.findall(text))


def test_a_promise_without_a_test_and_a_test_that_is_gone_are_found() -> None:
    page = "| A1 | never | by hand |\n| A1 | never | `tests/security/test_threat_model.py::test_gone` |\n"
    assert flaws(page) == [
        "A1 names no test",
        "A1 is there twice",
        "A1 names tests/security/test_threat_model.py::test_gone, which is not there",
    ]
