"""Three people to look for: made once in a suite, with names nobody outside this run has."""

from __future__ import annotations

from typing import Any

from scim_bridge.conformance.expect import ENTERPRISE, USER
from scim_bridge.conformance.reply import at
from scim_bridge.conformance.rfc_kit import person, user
from scim_bridge.conformance.run import Run


async def people(run: Run) -> dict[str, Any]:
    """The ids of ann, ben and cat, who are made when they are first asked for."""
    if "people" not in run.notes:
        run.keep("people", {})
        made = {
            "ann": await user(run, "ann", **_described("Ann", "Boss", "work", "home", run)),
            "ben": await user(run, "ben", **_described("Ben", "Clerk", "home", "work", run)),
            "cat": await user(run, "cat", displayName=f"Cat {run.id}", active=False),
        }
        run.keep("people", {name: at(body, "id") for name, body in made.items()})
    found: dict[str, Any] = run.kept("people")
    if not found:
        run.skip("the people to look for could not be created")
    return found


def _described(name: str, title: str, first: str, second: str, run: Run) -> dict[str, Any]:
    emails = [
        {"value": f"{name.lower()}.one@{run.id}.example", "type": first, "primary": True},
        {"value": f"{name.lower()}.two@{run.id}.example", "type": second},
    ]
    return {
        "schemas": [USER, ENTERPRISE],
        "displayName": f"{name} {run.id}",
        "title": f"{title} {run.id}",
        "emails": emails,
        "active": True,
        ENTERPRISE: {"employeeNumber": f"{name}-{run.id}"},
    }


def login(run: Run, name: str) -> str:
    """The userName of one of them."""
    return str(person(run, name)["userName"])
