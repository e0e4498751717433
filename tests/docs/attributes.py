"""The reference of SCIM attributes, written from the schemas that requests are checked against.

python -m tests.docs.attributes      writes docs/reference/scim-attributes.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scim_bridge.scim.schema import documents, foreign

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "scim-attributes.md"
HEAD = """# SCIM attributes

Made by `python -m tests.docs.attributes` from the schemas that requests are checked against, which are also those of
`GET /scim/v2/Schemas`. Attributes that an installation [declares itself](settings.md#attributes-of-your-own) come
beside them there. What is **bold** is required; `[]` has several values. What is not said of mutability, returned and
uniqueness is readWrite, default and none.
"""


def _rows(attributes: list[dict[str, Any]], prefix: str = "") -> Iterator[str]:
    for each in attributes:
        name = f"{prefix}{each['name']}{'[]' if each.get('multiValued') else ''}"
        shown = f"**`{name}`**" if each.get("required") else f"`{name}`"
        yield f"| {shown} | {each.get('type', 'string')} | {_kept(each)} | {_said(each)} |"
        yield from _rows(each.get("subAttributes") or [], f"{prefix}{each['name']}.")


def _kept(each: Mapping[str, Any]) -> str:
    usual = {"mutability": "readWrite", "returned": "default", "uniqueness": "none"}
    found = [str(each[name]) for name, value in usual.items() if each.get(name, value) != value]
    if each.get("returned", "default") != "default":
        found = [f"returned {one}" if one == each["returned"] else one for one in found]
    if each.get("uniqueness", "none") != "none":
        found = [f"unique ({one})" if one == each["uniqueness"] else one for one in found]
    return ", ".join([*found, *(["caseExact"] if each.get("caseExact") else [])])


def _said(each: Mapping[str, Any]) -> str:
    choices = ", ".join(f"`{one}`" for one in each.get("canonicalValues") or ())
    said = str(each.get("description") or "").replace("|", "\\|")
    return f"{said} Values: {choices}." if choices else said


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip()]
    for document in (*documents(), *foreign().values()):
        lines.append(f"\n## {document['name']}\n\n`{document['id']}`: {document['description']}\n")
        lines.append("| attribute | type | | meaning |\n|---|---|---|---|")
        lines.extend(_rows(document["attributes"]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page())
