"""The reference of error codes, read from the source that raises them.

python -m tests.docs.errors      writes docs/reference/errors.md
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "reference" / "errors.md"
BASE = "BridgeError"
# Where the code is made of the first argument.
PREFIXES = {"SignInRefused": "sign-in-"}
# Whose arguments are not code, message, fix: they have one code each, or speak SCIM's own words.
OTHERWISE = {
    "ConfigurationError",
    "ScimError",
    "StoreUnavailable",
    "TooLong",
    "UniqueViolation",
    "Moved",
    "Again",
}
FIXED = (
    (
        "configuration",
        500,
        "a setting is wrong: the line names its key",
        "what the line says; nothing was started",
    ),
    ("sign-in-again", 403, "Prove once more that it is you.", "Sign in again; nothing was changed."),
    ("store-unavailable", 503, "The database cannot be reached.", "Nothing was changed. Try again shortly."),
    ("too-long", 503, "This takes too long to answer.", "Ask for less at once."),
    ("unique", 409, "A unique value is already in use (…).", "Choose another one."),
)
HEAD = """# Errors

Made from the source by `python -m tests.docs.errors`. Every refusal has a code that stays the same: in answers of HTTP
as `code` of `application/problem+json`, at the SCIM door behind the detail, in the log as `code`. On the command line
the same words are one line on standard error, with exit code 1, or 2 for an argument that cannot be right (status 400),
or 78 for the settings. `…` stands for a name or number.

| code | status | what is wrong | what to do |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """An error class as the source declares it."""

    base: str
    status: int | None


Calls = list[ast.Call]


def _read() -> tuple[dict[str, Kind], Calls]:
    """Every class, and every call of something that could be one of our errors, in one walk of the source."""
    kinds: dict[str, Kind] = {}
    calls: Calls = []
    for file in sorted((ROOT / "scim_bridge").rglob("*.py")):
        text = file.read_text()
        if "sandbox" in file.parts or ("errors" not in text and "Error" not in text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and node.bases and isinstance(node.bases[0], ast.Name):
                kinds[node.name] = Kind(node.bases[0].id, _status(node))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
                calls.append(node)
    return kinds, calls


def _status(node: ast.ClassDef) -> int | None:
    for each in node.body:
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "status":
            return int(ast.literal_eval(each.value))
    return None


def _status_of(name: str, kinds: dict[str, Kind]) -> int | None:
    """The HTTP status of a class; None when it is none of ours."""
    own: int | None = None
    while name != BASE and name in kinds:
        own = own or kinds[name].status
        name = kinds[name].base
    return (own or 500) if name == BASE else None


def _text(node: ast.expr | None) -> str | None:
    """A text with … where something is filled in; None for what is not written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def raised() -> dict[str, tuple[int, str, str]]:
    """Status, message and fix by code; of several places that raise one, the first that is read."""
    kinds, calls = _read()
    found: dict[str, tuple[int, str, str]] = {code: (status, said, fix) for code, status, said, fix in FIXED}
    for node in calls:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        status = None if name in OTHERWISE else _status_of(name, kinds)
        code, said = _text(node.args[0]), _text(node.args[1])
        if status is None or code is None or said is None:
            continue
        fix = _text(node.args[2]) if len(node.args) > 2 else None
        found.setdefault(f"{PREFIXES.get(name, '')}{code}", (status, said, fix or ""))
    return found


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{code}` | {status} | {_cell(said)} | {_cell(fix)} |"
        for code, (status, said, fix) in sorted(raised().items())
    ]
    return HEAD + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    FILE.write_text(page())
