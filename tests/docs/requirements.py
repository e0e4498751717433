"""The generated part of the page of requirements: the classes on which we and scim2-models differ.

python -m tests.docs.requirements      writes it into docs/reference/scim-requirements.md
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.scim.differences_in_bodies import BODY_CLASSES
from tests.scim.differences_in_filters import FILTER_CLASSES
from tests.scim.differences_in_patches import PATCH_CLASSES
from tests.scim.test_oracle_grammar import TEXT_CLASSES

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "scim-requirements.md"
BEGIN, END = "<!-- classes -->\n", "<!-- /classes -->\n"
KINDS: tuple[tuple[str, Iterable[Any]], ...] = (
    ("Reading filters", TEXT_CLASSES),
    ("What filters choose", FILTER_CLASSES),
    ("Bodies of POST and PUT", BODY_CLASSES),
    ("PATCH", PATCH_CLASSES),
)


def classes() -> str:
    """The differences as Markdown."""
    parts = []
    for title, known in KINDS:
        parts.append(f"\n### {title}\n\n" + "".join(f"- {each.why}\n" for each in known))
    return "".join(parts) + "\n"


def page(text: str) -> str:
    """A page with its classes as they are now."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + classes() + END + rest.split(END)[1]


if __name__ == "__main__":
    FILE.write_text(page(FILE.read_text()))
