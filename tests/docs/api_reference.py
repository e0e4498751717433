"""The reference of the REST API, written from the declarations that make its routes.

python -m tests.docs.api_reference      writes docs/reference/api.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scim_bridge.api.catalogue import OPERATIONS, SCHEMAS
from scim_bridge.api.model import PATH, Operation
from scim_bridge.api.openapi import REFUSALS, refusals, slots
from scim_bridge.api.permissions import ADMIN_ALONE, NEEDS
from scim_bridge.api.shapes import Schema

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
HEAD = """# REST API

Made from the declarations of the operations by `python -m tests.docs.api_reference`. The same as OpenAPI 3.1:
`GET /openapi.json`, without a token.

**Who may.** `Authorization: Bearer TOKEN` with an API token whose scope is a [role](roles.md): `scim-bridge tokens
create --scope operator --label NAME` (viewer, operator, auditor, admin). Each operation says which permission it
needs; the same table of rights holds for pages of the console. What counts for a named person (the brake, letting a
held plan go) takes the token's label. Tokens of connections (SCIM, OAuth clients) get 403 at every address below
`/api/`.

**People.** Whoever is signed in at the console (Okta, Entra) may call with that session, as what they are there: an
owner sees and stops their own agents, and no others. A change carries `X-Form-Key`, the value of `form_key` in any
page of the console, so that no other site can send it; what is dangerous asks for a sign-in of the last minutes (403
`sign-in-again`). `GET /api/v1/me` says who one is and what one may.

**Errors** are `application/problem+json` (RFC 9457): `code` stays the same, `title` says what was wrong,
`detail` what to do. Unknown parameters and members are refused: a typo changes nothing.

**Pages.** A list answers `{"items": […], "next": …}`. Send `next` as `cursor` with the same other parameters
for the next page; null: this was the last. Whatever comes or goes meanwhile, everything that stays is seen
once. `limit` is 1 to 500.

**Once only.** A POST may carry `Idempotency-Key` (1 to 255 printable ASCII characters, best a UUID). Within a
day the same request with the same key and token changes nothing again and gets the same answer, with
`Idempotency-Replayed: true`; another request with the same key gets 422. A request that was refused has changed
nothing, and may be sent again.

**Versions.** What is read has an `ETag`. `If-None-Match` answers 304 when nothing changed; a change that says
so below takes `If-Match`, and answers 412 when somebody else was faster.

**Nothing calls out inside a request.** Plans, applies and revocations answer 202 with an `effect`: the worker
does it, and `GET /api/v1/effects/{effect}` says how it went.
"""


def _type(shape: Schema) -> str:
    if "$ref" in shape:
        return str(shape["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in shape:
        return " or ".join(_type(each) for each in shape["anyOf"])
    if "enum" in shape:
        return " \\| ".join(f"`{each}`" for each in shape["enum"])
    if shape.get("type") == "array":
        return f"list of {_type(shape['items'])}"
    if shape.get("format") == "date-time":
        return "instant"
    return str(shape.get("type", "anything"))


def _members(shape: Schema) -> Iterator[str]:
    required = shape.get("required", ())
    for name, each in shape.get("properties", {}).items():
        shown = f"**`{name}`**" if name in required else f"`{name}`"
        yield f"| {shown} | {_type(each)} | {each.get('description', '')} |"


def _operation(of: Operation) -> Iterator[str]:
    yield f"\n### `{of.method} {of.address}`\n"
    yield f"{of.summary}. {of.about}".strip() + f" Needs `{NEEDS.get(of.id, ADMIN_ALONE)}`."
    rows = [f"| `{name}` | in the path | {PATH[name]} |" for name in slots(of.path)]
    rows += [f"| `{each.name}` | {_type(each.schema)} | {each.about} |" for each in of.query]
    if rows:
        yield "\n| parameter | | meaning |\n|---|---|---|"
        yield from rows
    if of.body is not None:
        yield "\nBody (what is bold is required):\n\n| member | | meaning |\n|---|---|---|"
        yield from _members(of.body)
    answer = "nothing" if of.answer is None else _answer(of.answer)
    more = ", takes If-Match" if of.shown is not None else ""
    wrong = ", ".join(str(status) for status in refusals(of))
    yield f"\nAnswers {of.status}: {answer}{more}. Refuses with {wrong}."


def _answer(shape: Schema) -> str:
    known = shape.get("properties")
    if known is None:
        return _type(shape)
    return "{ " + ", ".join(f"{name}: {_type(each)}" for name, each in known.items()) + " }"


def _shape(name: str, shape: Schema) -> Iterator[str]:
    yield f"\n### {name}\n"
    yield "| member | | meaning |\n|---|---|---|"
    for member, each in shape.get("properties", {}).items():
        yield f"| `{member}` | {_type(each)} | {each.get('description', '')} |"


def page() -> str:
    """The whole page."""
    lines: list[Any] = [HEAD.rstrip(), "\n| status | means |\n|---|---|"]
    lines += [f"| {status} | {what} |" for status, what in REFUSALS.items()]
    tag = ""
    for each in OPERATIONS:
        if each.tag != tag:
            tag = each.tag
            lines.append(f"\n## {tag}")
        lines.extend(_operation(each))
    lines.append("\n## Shapes")
    for name, shape in sorted(SCHEMAS.items()):
        lines.extend(_shape(name, shape))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page())
